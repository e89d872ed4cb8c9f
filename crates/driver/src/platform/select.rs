//! Which models section of one manufacturer line applies to a system.

use super::Os;
use crate::inf::{Architecture, Decoration};

/// The first build of Windows 10 that knows build numbers in decorations; older ones drop such a decoration.
const BUILDS_KNOWN_SINCE: u32 = 10_241;

/// The index of the one section of a manufacturer line that applies to `os`; `None` stands for the undecorated
/// section. The highest version wins, then a product type that was asked for, then suites that were asked for, then
/// an architecture that was asked for, then the earlier one. An undecorated section is for x86 only, and only if
/// nothing decorated applies.
#[must_use]
pub fn select(line: &[Option<Decoration>], os: &Os) -> Option<usize> {
    let mut best: Option<(usize, Weight)> = None;
    for (index, decoration) in line.iter().enumerate() {
        let Some(decoration) = decoration.filter(|decoration| applies(decoration, os)) else { continue };
        let weight = weight(&decoration);
        if best.is_none_or(|(_, held)| weight > held) {
            best = Some((index, weight));
        }
    }
    match best {
        Some((index, _)) => Some(index),
        None if os.architecture == Architecture::X86 => line.iter().position(Option::is_none),
        None => None,
    }
}

/// Version and build, then whether product type, suites and architecture were asked for.
type Weight = (u16, u16, u32, bool, bool, bool);

fn weight(decoration: &Decoration) -> Weight {
    let (major, minor) = version(decoration);
    (
        major,
        minor,
        decoration.build.unwrap_or(0),
        decoration.product_type.is_some(),
        decoration.suite_mask.is_some(),
        decoration.architecture.is_some(),
    )
}

fn version(decoration: &Decoration) -> (u16, u16) {
    (decoration.os_major.unwrap_or(0), decoration.os_minor.unwrap_or(0))
}

fn applies(decoration: &Decoration, os: &Os) -> bool {
    // Before Windows Server 2003 SP1 a decoration without architecture was for any; no such system is served.
    decoration.architecture.unwrap_or(Architecture::X86) == os.architecture
        && version_applies(decoration, os)
        && decoration.product_type.is_none_or(|product_type| product_type == os.product_type)
        && decoration.suite_mask.is_none_or(|mask| os.suite_mask & mask == mask)
}

fn version_applies(decoration: &Decoration, os: &Os) -> bool {
    let (asked, system) = (version(decoration), (os.major, os.minor));
    match decoration.build {
        None => asked <= system,
        Some(_) if (os.major, os.minor, os.build) < (10, 0, BUILDS_KNOWN_SINCE) => false,
        // A build says something about exactly its own version; a later version is beyond it.
        Some(build) => asked < system || asked == system && build <= os.build,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a decoration as the reference writes it; `-` is undecorated.
    pub(in crate::platform) fn decoration(text: &str) -> Option<Decoration> {
        if text == "-" {
            return None;
        }
        let mut fields = text.strip_prefix("NT").unwrap().split('.');
        let architecture = match fields.next().unwrap() {
            "" => None,
            "x86" => Some(Architecture::X86),
            "ia64" => Some(Architecture::Ia64),
            "amd64" => Some(Architecture::Amd64),
            "arm" => Some(Architecture::Arm),
            "arm64" => Some(Architecture::Arm64),
            other => panic!("{other}"),
        };
        let mut number = || {
            let field = fields.next().filter(|field| !field.is_empty())?;
            let hex = field.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16).unwrap());
            Some(hex.unwrap_or_else(|| field.parse().unwrap()))
        };
        Some(Decoration {
            architecture,
            os_major: number().map(|n| n.try_into().unwrap()),
            os_minor: number().map(|n| n.try_into().unwrap()),
            product_type: number().map(|n| n.try_into().unwrap()),
            suite_mask: number(),
            build: number(),
        })
    }

    const WINDOWS_7: Os = Os {
        architecture: Architecture::Amd64,
        major: 6,
        minor: 1,
        build: 7601,
        product_type: 1,
        suite_mask: 0x100,
    };
    const WINDOWS_10_RTM: Os = Os { major: 10, minor: 0, build: 10240, ..WINDOWS_7 };
    const WINDOWS_10: Os = Os { build: 19045, ..WINDOWS_10_RTM };
    const WINDOWS_11: Os = Os { build: 22631, ..WINDOWS_10_RTM };
    const SERVER: Os = Os { build: 20348, product_type: 3, suite_mask: 0x190, ..WINDOWS_10_RTM };
    const X86: Os = Os { architecture: Architecture::X86, ..WINDOWS_10 };

    #[test]
    fn the_rules_of_the_specification() {
        let check = |line: &str, os: Os, expect: Option<&str>| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let decorations: Vec<_> = words.iter().map(|word| decoration(word)).collect();
            assert_eq!(select(&decorations, &os).map(|index| words[index]), expect, "{line} for {os:?}");
        };
        // Architecture; undecorated and NT are for x86 only.
        check("- NTamd64", WINDOWS_7, Some("NTamd64"));
        check("- NTarm64", WINDOWS_7, None);
        check("- NTamd64", X86, Some("-"));
        check("NT - NTamd64", X86, Some("NT"));
        check("NT -", WINDOWS_7, None);
        check("NT NTx86", X86, Some("NTx86"));
        check("NTx86 NT.6.0", X86, Some("NT.6.0"));
        // The highest version that is not above the system's.
        check("NTamd64 NTamd64.6.1 NTamd64.6.2", WINDOWS_7, Some("NTamd64.6.1"));
        check("NTamd64.6.2 NTamd64.10.0", WINDOWS_7, None);
        check("NTamd64.5 NTamd64.6", WINDOWS_10, Some("NTamd64.6"));
        check("NTamd64.10", WINDOWS_10, Some("NTamd64.10"));
        // A version beats a product type and suites.
        check("NTamd64.6.0.1 NTamd64.6.1", WINDOWS_7, Some("NTamd64.6.1"));
        check("NTamd64...1 NTamd64.6.0....", WINDOWS_7, Some("NTamd64.6.0...."));
        // Among equal versions: product type, then suites.
        check("NTamd64.6.1 NTamd64.6.1.1", WINDOWS_7, Some("NTamd64.6.1.1"));
        check("NTamd64.6.1..0x100 NTamd64.6.1.1", WINDOWS_7, Some("NTamd64.6.1.1"));
        check("NTamd64.6.1 NTamd64.6.1..0x100", WINDOWS_7, Some("NTamd64.6.1..0x100"));
        check("NTamd64.6.1 NTamd64.6.1.3", WINDOWS_7, Some("NTamd64.6.1"));
        check("NTamd64.10.0.3 NTamd64.10.0.1", SERVER, Some("NTamd64.10.0.3"));
        check("NTamd64....0x90", SERVER, Some("NTamd64....0x90"));
        check("NTamd64....0x92", SERVER, None);
        // Builds: within exactly that version, unknown to 10240 and older.
        check("NTamd64.10.0...16299", WINDOWS_10, Some("NTamd64.10.0...16299"));
        check("NTamd64.10.0...22000 NTamd64.10.0...16299", WINDOWS_10, Some("NTamd64.10.0...16299"));
        check("NTamd64.10.0...22000 NTamd64.10.0...16299", WINDOWS_11, Some("NTamd64.10.0...22000"));
        check("NTamd64.10.0...16299 NTamd64.10.0", WINDOWS_10_RTM, Some("NTamd64.10.0"));
        check("NTamd64.6.1...16299", WINDOWS_7, None);
        check("NTamd64.6.1...16299", WINDOWS_10, Some("NTamd64.6.1...16299"));
        check("NTamd64.6.1...16299", WINDOWS_10_RTM, None);
        check("NTamd64.10.0.1..16299 NTamd64.10.0...17763", WINDOWS_10, Some("NTamd64.10.0...17763"));
        // Equal ones: the first.
        check("NTamd64 NTamd64", WINDOWS_7, Some("NTamd64"));
        check("", X86, None);
    }

    fn any_decoration() -> impl Strategy<Value = Option<Decoration>> {
        use Architecture::{Amd64, Arm64, X86};
        let version = prop_oneof![
            Just((None, None)),
            (5u16..11).prop_map(|major| (Some(major), None)),
            (5u16..11, 0u16..4).prop_map(|(major, minor)| (Some(major), Some(minor)))
        ];
        let decorated = (
            proptest::option::of(prop_oneof![Just(X86), Just(Amd64), Just(Arm64)]),
            version,
            proptest::option::of(1u8..4),
            proptest::option::of(prop_oneof![Just(0u32), Just(0x100), Just(0x110), Just(0x200)]),
            proptest::option::of(prop_oneof![Just(14393u32), Just(16299), Just(22000), Just(26100)]),
        )
            .prop_map(|(architecture, (os_major, os_minor), product_type, suite_mask, build)| Decoration {
                architecture,
                os_major,
                os_minor,
                product_type,
                suite_mask,
                build,
            });
        prop_oneof![1 => Just(None), 8 => decorated.prop_map(Some)]
    }

    fn any_os() -> impl Strategy<Value = Os> {
        use Architecture::{Amd64, Arm64, X86};
        (
            prop_oneof![Just(X86), Just(Amd64), Just(Arm64)],
            prop_oneof![
                Just((6u16, 1u16, 7601u32)),
                Just((6, 3, 9600)),
                Just((10, 0, 10240)),
                Just((10, 0, 19045)),
                Just((10, 0, 26100))
            ],
            1u8..4,
            prop_oneof![Just(0u32), Just(0x100), Just(0x110), Just(0x300)],
        )
            .prop_map(|(architecture, (major, minor, build), product_type, suite_mask)| Os {
                architecture,
                major,
                minor,
                build,
                product_type,
                suite_mask,
            })
    }

    /// The rules once more, as a tournament of sentences over pairs instead of a sort key.
    fn beats(a: &Decoration, b: &Decoration) -> bool {
        let number = |d: &Decoration| {
            u64::from(d.os_major.unwrap_or(0)) << 48
                | u64::from(d.os_minor.unwrap_or(0)) << 32
                | u64::from(d.build.unwrap_or(0))
        };
        if number(a) != number(b) {
            return number(a) > number(b);
        }
        if a.product_type.is_some() != b.product_type.is_some() {
            return a.product_type.is_some();
        }
        if a.suite_mask.is_some() != b.suite_mask.is_some() {
            return a.suite_mask.is_some();
        }
        a.architecture.is_some() && b.architecture.is_none()
    }

    fn fits(d: &Decoration, os: &Os) -> bool {
        let architecture = match d.architecture {
            Some(architecture) => architecture == os.architecture,
            None => os.architecture == Architecture::X86,
        };
        let old = os.major < 10 || os.build <= 10240;
        let (major, minor) = (d.os_major.unwrap_or(0), d.os_minor.unwrap_or(0));
        let below = major < os.major || major == os.major && minor < os.minor;
        let same = major == os.major && minor == os.minor;
        let build = match d.build {
            None => below || same,
            Some(_) if old => false,
            Some(build) => below || same && os.build >= build,
        };
        let suites = (0..32).all(|bit| d.suite_mask.unwrap_or(0) >> bit & 1 <= os.suite_mask >> bit & 1);
        architecture
            && build
            && suites
            && (d.product_type.is_none() || d.product_type == Some(os.product_type))
    }

    proptest! {
        #[test]
        fn select_agrees_with_the_tournament(line in proptest::collection::vec(any_decoration(), 0..8), os in any_os()) {
            let fitting: Vec<usize> = (0..line.len()).filter(|&i| line[i].is_some_and(|d| fits(&d, &os))).collect();
            let expect = match fitting.iter().find(|&&i| {
                fitting.iter().all(|&j| {
                    let (a, b) = (line[i].unwrap(), line[j].unwrap());
                    beats(&a, &b) || !beats(&b, &a) && i <= j
                })
            }) {
                Some(&index) => Some(index),
                None if os.architecture == Architecture::X86 => line.iter().position(Option::is_none),
                None => None,
            };
            prop_assert_eq!(select(&line, &os), expect);
        }
    }
}
