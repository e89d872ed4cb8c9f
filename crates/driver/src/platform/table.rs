//! The table of SMS_SupportedPlatforms: the releases that Windows and Windows Server have had since 7 and 2008 R2.
//!
//! Texts, unique ids and the version ranges of clients are the ones that scripts for the original look for. A server has the version of a
//! client, and the version range is the key, so a server's range begins at its own first build.

use super::{Os, Platform};
use crate::inf::Architecture::{self, Amd64, Arm, Arm64, Ia64, X86};

/// The releases of Windows 10 and 11.
const WINDOWS_10: &[u32] =
    &[10240, 10586, 14393, 15063, 16299, 17134, 17763, 18362, 18363, 19041, 19042, 19043, 19044, 19045];
const WINDOWS_10_ARM64: &[u32] = &[16299, 17134, 17763, 18362, 18363, 19041, 19042, 19043, 19044, 19045];
const WINDOWS_11: &[u32] = &[22000, 22621, 22631, 26100, 26200];

/// All platforms, clients first.
pub const PLATFORMS: &[Platform] = &[
    client("Windows/All_x86_Windows_7_Client", "All Windows 7 (32-bit)", X86, (6, 1), &[7600, 7601]),
    client("Windows/All_x64_Windows_7_Client", "All Windows 7 (64-bit)", Amd64, (6, 1), &[7600, 7601]),
    client("Windows/All_x86_Windows_8_Client", "All Windows 8 (32-bit)", X86, (6, 2), &[9200]),
    client("Windows/All_x64_Windows_8_Client", "All Windows 8 (64-bit)", Amd64, (6, 2), &[9200]),
    client("Windows/All_x86_Windows_8.1_Client", "All Windows 8.1 (32-bit)", X86, (6, 3), &[9600]),
    client("Windows/All_x64_Windows_8.1_Client", "All Windows 8.1 (64-bit)", Amd64, (6, 3), &[9600]),
    client(
        "Windows/All_x86_Windows_10_and_higher_Clients",
        "All Windows 10 (32-bit)",
        X86,
        (10, 0),
        WINDOWS_10,
    ),
    client(
        "Windows/All_x64_Windows_10_and_higher_Clients",
        "All Windows 10 (64-bit)",
        Amd64,
        (10, 0),
        WINDOWS_10,
    ),
    client(
        "Windows/All_ARM64_Windows_10_and_higher_Clients",
        "All Windows 10 (ARM64)",
        Arm64,
        (10, 0),
        WINDOWS_10_ARM64,
    ),
    windows_11("Windows/All_x64_Windows_11_and_higher_Clients", "All Windows 11 (64-bit)", Amd64),
    windows_11("Windows/All_ARM64_Windows_11_and_higher_Clients", "All Windows 11 (ARM64)", Arm64),
    server(
        "Windows/All_x64_Windows_Server_2008_R2",
        "All Windows Server 2008 R2 (64-bit)",
        ("6.10.7600.0", "6.10.9999.9999"),
        (6, 1),
        &[7600, 7601],
    ),
    server(
        "Windows/All_x64_Windows_Server_8",
        "All Windows Server 2012 (64-bit)",
        ("6.20.9200.0", "6.20.9999.9999"),
        (6, 2),
        &[9200],
    ),
    server(
        "Windows/All_x64_Windows_Server_2012_R2",
        "All Windows Server 2012 R2 (64-bit)",
        ("6.30.9600.0", "6.30.9999.9999"),
        (6, 3),
        &[9600],
    ),
    server(
        "Windows/All_x64_Windows_Server_2016",
        "All Windows Server 2016 and higher (64-bit)",
        ("10.00.14393.0", "10.00.99999.9999"),
        (10, 0),
        &[14393],
    ),
    server(
        "Windows/All_x64_Windows_Server_2019_and_higher",
        "All Windows Server 2019 and higher (64-bit)",
        ("10.00.17763.0", "10.00.99999.9999"),
        (10, 0),
        &[17763],
    ),
    server(
        "Windows/All_x64_Windows_Server_2022_and_higher",
        "All Windows Server 2022 and higher (64-bit)",
        ("10.00.20348.0", "10.00.99999.9999"),
        (10, 0),
        &[20348],
    ),
    server(
        "Windows/All_x64_Windows_Server_2025_and_higher",
        "All Windows Server 2025 and higher (64-bit)",
        ("10.00.26100.0", "10.00.99999.9999"),
        (10, 0),
        &[26100],
    ),
];

const fn client(
    id: &'static str,
    display_text: &'static str,
    architecture: Architecture,
    version: (u16, u16),
    releases: &'static [u32],
) -> Platform {
    let (range, build_max) = match version {
        (6, 1) => (("6.10.0000.0", "6.10.9999.9999"), 9_999),
        (6, 2) => (("6.20.0000.0", "6.20.9999.9999"), 9_999),
        (6, 3) => (("6.30.0000.0", "6.30.9999.9999"), 9_999),
        _ => (("10.00.0000.0", "10.00.19999.9999"), 19_999),
    };
    row(id, display_text, architecture, range, version, 1, 0x100, releases, build_max)
}

const fn windows_11(id: &'static str, display_text: &'static str, architecture: Architecture) -> Platform {
    let range = ("10.00.22000.0", "10.00.99999.9999");
    row(id, display_text, architecture, range, (10, 0), 1, 0x100, WINDOWS_11, 99_999)
}

const fn server(
    id: &'static str,
    display_text: &'static str,
    range: (&'static str, &'static str),
    version: (u16, u16),
    releases: &'static [u32],
) -> Platform {
    let build_max = if version.0 >= 10 { 99_999 } else { 9_999 };
    row(id, display_text, Amd64, range, version, 3, 0x110, releases, build_max)
}

#[expect(clippy::too_many_arguments, reason = "the columns of a table")]
const fn row(
    id: &'static str,
    display_text: &'static str,
    architecture: Architecture,
    range: (&'static str, &'static str),
    version: (u16, u16),
    product_type: u8,
    suite_mask: u32,
    releases: &'static [u32],
    build_max: u32,
) -> Platform {
    let platform = match architecture {
        X86 => "I386",
        Ia64 => "IA64",
        Amd64 => "x64",
        Arm => "ARM",
        Arm64 => "ARM64",
    };
    Platform {
        id,
        display_text,
        name: "Win NT",
        platform,
        min_version: range.0,
        max_version: range.1,
        os: Os {
            architecture,
            major: version.0,
            minor: version.1,
            build: releases[releases.len() - 1],
            product_type,
            suite_mask,
        },
        releases,
        build_max,
        resource_dll: "",
        string_id: 0,
        is_supported: true,
    }
}
