//! The Windows releases that a driver can be for, and which models section of an INF applies to one.
//!
//! A driver's supported platforms are derived, never stored by hand: each release of a platform chooses its models
//! sections as Windows would, and the platform is supported when one of them has a device.

mod condition;
mod select;
mod table;

use std::collections::BTreeMap;

pub use select::select;
pub use table::PLATFORMS;

use crate::ModelsFacts;
use crate::inf::{Architecture, Decoration};

/// One installed Windows, as far as an INF can tell one from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Os {
    /// Of the system, not of the processor.
    pub architecture: Architecture,
    /// For example 10.
    pub major: u16,
    /// For example 0.
    pub minor: u16,
    /// For example 22631.
    pub build: u32,
    /// 1 workstation, 2 domain controller, 3 server.
    pub product_type: u8,
    /// VER_SUITE flags.
    pub suite_mask: u32,
}

/// Why what a machine says of its system was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OsError {
    /// No version, or one without a build.
    #[error("{version:?} is no version with a build, such as 10.0.22631")]
    Version {
        /// As given.
        version: String,
    },
    /// No architecture of Windows.
    #[error("{name:?} is none of x64, x86 and arm64")]
    Architecture {
        /// As given.
        name: String,
    },
    /// No product type.
    #[error("{number} is no product type: 1 workstation, 2 domain controller, 3 server")]
    ProductType {
        /// As given.
        number: u8,
    },
}

impl OsError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "os_version",
            Self::Architecture { .. } => "os_architecture",
            Self::ProductType { .. } => "os_product_type",
        }
    }
}

impl Os {
    /// A system as machines describe theirs: a version with its build, which a revision may follow
    /// (`10.0.22631.4317`), and an architecture as of [`Architecture::by_name`].
    pub fn parse(
        version: &str,
        architecture: &str,
        product_type: u8,
        suite_mask: u32,
    ) -> Result<Self, OsError> {
        let wrong = || OsError::Version { version: version.to_owned() };
        let numbers: Option<Vec<u32>> = version.trim().split('.').map(|part| part.parse().ok()).collect();
        let (major, minor, build) = match numbers.as_deref() {
            Some(&[major, minor, build] | &[major, minor, build, _]) => (major, minor, build),
            _ => return Err(wrong()),
        };
        let small = |number: u32| u16::try_from(number).map_err(|_| wrong());
        if !(1..=3).contains(&product_type) {
            return Err(OsError::ProductType { number: product_type });
        }
        let unknown = || OsError::Architecture { name: architecture.to_owned() };
        let architecture = Architecture::by_name(architecture).ok_or_else(unknown)?;
        Ok(Self { architecture, major: small(major)?, minor: small(minor)?, build, product_type, suite_mask })
    }
}

/// One row of SMS_SupportedPlatforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// CI_UniqueID, for example `Windows/All_x64_Windows_7_Client`; unique in the table.
    pub id: &'static str,
    /// DisplayText, for example `All Windows 7 (64-bit)`.
    pub display_text: &'static str,
    /// OSName: `Win NT`.
    pub name: &'static str,
    /// OSPlatform: `I386`, `x64` or `ARM64`.
    pub platform: &'static str,
    /// OSMinVersion, for example `6.10.0000.0`.
    pub min_version: &'static str,
    /// OSMaxVersion, for example `6.10.9999.9999`.
    pub max_version: &'static str,
    /// Its newest release, in an ordinary edition.
    pub os: Os,
    /// The builds of its releases, oldest first.
    pub releases: &'static [u32],
    /// The highest build that belongs to it.
    pub build_max: u32,
    /// ResourceDll: empty, because DisplayText is the only text and no library holds it.
    pub resource_dll: &'static str,
    /// StringId: 0 for the same reason.
    pub string_id: u32,
    /// IsSupported.
    pub is_supported: bool,
}

/// VER_SUITE_ENTERPRISE, VER_SUITE_TERMINAL, VER_SUITE_DATACENTER, VER_SUITE_SINGLEUSERTS and VER_SUITE_PERSONAL.
const ENTERPRISE: u32 = 0x2;
const TERMINAL: u32 = 0x10;
const DATACENTER: u32 = 0x80;
const SINGLE_USER: u32 = 0x100;
const PERSONAL: u32 = 0x200;

/// The editions of a client and of a server: product type and suites.
const CLIENT_EDITIONS: &[(u8, u32)] = &[(1, SINGLE_USER), (1, SINGLE_USER | PERSONAL)];
const SERVER_EDITIONS: &[(u8, u32)] = &[
    (3, TERMINAL | SINGLE_USER),
    (3, TERMINAL | SINGLE_USER | ENTERPRISE),
    (3, TERMINAL | SINGLE_USER | DATACENTER),
    (2, TERMINAL | SINGLE_USER),
];

impl Platform {
    /// Whether its systems are servers.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.os.product_type != 1
    }

    /// Every release of it in every edition that an INF can tell apart.
    pub fn systems(&self) -> impl Iterator<Item = Os> {
        let editions = if self.is_server() { SERVER_EDITIONS } else { CLIENT_EDITIONS };
        self.releases.iter().flat_map(move |&build| {
            editions.iter().map(move |&(product_type, suite_mask)| Os {
                build,
                product_type,
                suite_mask,
                ..self.os
            })
        })
    }

    /// Whether a system belongs to it. A platform that is named "and higher" also holds the systems of later ones.
    #[must_use]
    pub fn contains(&self, os: &Os) -> bool {
        let oldest = self.releases.first().copied().unwrap_or(0);
        self.os.architecture == os.architecture
            && (self.os.major, self.os.minor) == (os.major, os.minor)
            && self.is_server() == (os.product_type != 1)
            && (oldest..=self.build_max).contains(&os.build)
    }
}

/// The platform with an id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|platform| platform.id == id)
}

/// The ids of the platforms that a driver with these models is for, in the order of the table.
#[must_use]
pub fn supported(models: &[ModelsFacts]) -> Vec<String> {
    let mut lines: BTreeMap<u32, Vec<(Option<Decoration>, bool)>> = BTreeMap::new();
    for section in models {
        lines.entry(section.line).or_default().push((section.decoration, !section.devices.is_empty()));
    }
    let lines: Vec<(Vec<Option<Decoration>>, Vec<bool>)> =
        lines.into_values().map(|line| line.into_iter().unzip()).collect();
    let applies = |os: &Os| {
        lines.iter().any(|(decorations, filled)| select(decorations, os).is_some_and(|index| filled[index]))
    };
    let ids = PLATFORMS.iter().filter(|platform| platform.systems().any(|os| applies(&os)));
    ids.map(|platform| platform.id.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn systems_are_read_as_machines_describe_them() {
        let check = |version: &str, architecture: &str, product: u8, expect: Result<[u32; 3], &str>| {
            let got = Os::parse(version, architecture, product, 0x100);
            let got = got.map(|os| {
                assert_eq!((os.product_type, os.suite_mask), (product, 0x100));
                [os.major.into(), os.minor.into(), os.build]
            });
            assert_eq!(
                got.as_ref().map_err(OsError::code),
                expect.as_ref().map_err(|code| *code),
                "{version}"
            );
        };
        check("10.0.22631", "x64", 1, Ok([10, 0, 22631]));
        check(" 10.0.22631.4317 ", "AMD64", 3, Ok([10, 0, 22631]));
        check("6.1.7601", "x86", 2, Ok([6, 1, 7601]));
        for version in [
            "",
            "10",
            "10.0",
            "10.0.x",
            "10.0.22631.x",
            "10.0.22631.1.1",
            "10..1",
            "-1.0.1",
            "70000.0.1",
            "10.0.99999999999",
        ] {
            check(version, "x64", 1, Err("os_version"));
        }
        check("10.0.1", "vax", 1, Err("os_architecture"));
        check("10.0.1", "x64", 0, Err("os_product_type"));
        check("10.0.1", "x64", 4, Err("os_product_type"));
    }

    #[test]
    fn an_architecture_has_many_names() {
        for (expect, names) in [
            (Some(Architecture::Amd64), ["x64", "AMD64", "x86_64", "x86-64", "64-bit"].as_slice()),
            (Some(Architecture::X86), &["x86", "I386", "32-bit"]),
            (Some(Architecture::Arm64), &["ARM64", "aarch64"]),
            (None, &["", "ia64", "arm", "mips"]),
        ] {
            for name in names {
                assert_eq!(Architecture::by_name(name), expect, "{name}");
            }
        }
    }

    fn device() -> Device {
        Device {
            description: "A".into(),
            install_section: "A".into(),
            hardware_id: "PCI\\A".into(),
            compatible_ids: Vec::new(),
            feature_score: 0xFF,
            exclude_ids: Default::default(),
            nt_section: false,
            date: None,
            version: None,
        }
    }

    /// `decoration` or `decoration=` for an empty section, separated by blanks; `-` is undecorated, `|` a new line.
    fn models(text: &str) -> Vec<ModelsFacts> {
        let lines = (0..).zip(text.split('|'));
        let sections = lines.flat_map(|(line, words)| words.split_whitespace().map(move |word| (line, word)));
        sections
            .map(|(line, word)| ModelsFacts {
                manufacturer: "M".into(),
                line,
                decoration: select::tests::decoration(word.trim_end_matches('=')),
                devices: if word.ends_with('=') { Vec::new() } else { vec![device()] },
            })
            .collect()
    }

    fn check(text: &str, expect: &[&str]) {
        let texts: Vec<&str> =
            supported(&models(text)).iter().map(|id| by_id(id).unwrap().display_text).collect();
        assert_eq!(texts, expect, "{text}");
    }

    const SERVERS: [&str; 7] = [
        "All Windows Server 2008 R2 (64-bit)",
        "All Windows Server 2012 (64-bit)",
        "All Windows Server 2012 R2 (64-bit)",
        "All Windows Server 2016 and higher (64-bit)",
        "All Windows Server 2019 and higher (64-bit)",
        "All Windows Server 2022 and higher (64-bit)",
        "All Windows Server 2025 and higher (64-bit)",
    ];
    const X64: [&str; 5] = [
        "All Windows 7 (64-bit)",
        "All Windows 8 (64-bit)",
        "All Windows 8.1 (64-bit)",
        "All Windows 10 (64-bit)",
        "All Windows 11 (64-bit)",
    ];
    const X86: [&str; 4] = [
        "All Windows 7 (32-bit)",
        "All Windows 8 (32-bit)",
        "All Windows 8.1 (32-bit)",
        "All Windows 10 (32-bit)",
    ];

    #[test]
    fn platforms_follow_the_decorations() {
        check("-", &X86);
        check("NT", &X86);
        check("NTx86.5.1", &X86);
        check("NTamd64", &[&X64[..], &SERVERS[..]].concat());
        check("NTamd64...1", &X64);
        check("NTamd64...3", &SERVERS);
        check("NTamd64.6.1 NTamd64.6.2=", &[X64[0], SERVERS[0]]);
        check("NTamd64.10.0...22000", &[X64[4], SERVERS[6]]);
        check("NTamd64.10.0...16299", &[X64[3], X64[4], SERVERS[4], SERVERS[5], SERVERS[6]]);
        check("NTamd64.10.0 NTamd64.10.0...22000=", &[X64[3], SERVERS[3], SERVERS[4], SERVERS[5]]);
        check("NTarm64", &["All Windows 10 (ARM64)", "All Windows 11 (ARM64)"]);
        check("NTia64", &[]);
        check("NTarm", &[]);
        check("", &[]);
        check("NTx86= -", &[]);
        check("NTamd64...2", &SERVERS);
        check("NTamd64....0x200", &X64);
        check("NTamd64....0x80", &SERVERS);
    }

    #[test]
    fn each_line_counts_for_itself() {
        check("NTx86=|-", &X86);
        check("NTamd64.10.0=|NTamd64.6.3", &[&X64[2..], &SERVERS[2..]].concat());
    }

    #[test]
    fn keys_are_unique_and_releases_belong_to_their_platform() {
        for (index, platform) in PLATFORMS.iter().enumerate() {
            let key = |p: &Platform| (p.name, p.platform, p.min_version, p.max_version);
            let later = &PLATFORMS[index + 1..];
            assert!(!later.iter().any(|other| other.id == platform.id || key(other) == key(platform)));
            assert!(platform.contains(&platform.os), "{}", platform.id);
            assert!(platform.systems().all(|os| platform.contains(&os)), "{}", platform.id);
            assert!(platform.releases.is_sorted());
            assert_eq!(platform.releases.last(), Some(&platform.os.build));
            assert_eq!(by_id(platform.id), Some(platform));
        }
    }
}
