//! What follows a models section's name and says for which Windows it is.

use std::fmt;

/// Processor architectures, as INF decorations name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Architecture {
    /// `x86`
    X86,
    /// `ia64`
    Ia64,
    /// `amd64`
    Amd64,
    /// `arm`
    Arm,
    /// `arm64`
    Arm64,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::X86, Self::Ia64, Self::Amd64, Self::Arm, Self::Arm64];

    /// The name in decorations and in SourceDisksFiles sections, lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86",
            Self::Ia64 => "ia64",
            Self::Amd64 => "amd64",
            Self::Arm => "arm",
            Self::Arm64 => "arm64",
        }
    }

    /// The architecture of that name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name().eq_ignore_ascii_case(name))
    }

    /// The architecture of a system by any name that Windows, its tools, processors and INF files have for it, in any
    /// case. `None` for those that no installed Windows of today has.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "x64" | "amd64" | "x86_64" | "x86-64" | "64-bit" => Some(Self::Amd64),
            "x86" | "i386" | "32-bit" => Some(Self::X86),
            "arm64" | "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What follows the models section's name: `NT[arch][.[major][.[minor][.[product][.[suites][.[build]]]]]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decoration {
    /// Absent means x86 for today's Windows.
    pub architecture: Option<Architecture>,
    /// The least major version.
    pub os_major: Option<u16>,
    /// The least minor version.
    pub os_minor: Option<u16>,
    /// 1 workstation, 2 domain controller, 3 server.
    pub product_type: Option<u8>,
    /// All of these VER_SUITE flags must be present.
    pub suite_mask: Option<u32>,
    /// The least build within exactly that version.
    pub build: Option<u32>,
}

impl Decoration {
    /// Reads a decoration in any case; numbers are decimal or `0x` hexadecimal. `None` if it is none, for example
    /// the `NT$ARCH$` of a file that no build has filled in.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().split('.');
        let platform = fields.next()?;
        let (nt, name) = (platform.get(..2)?, &platform[2..]);
        let architecture = if name.is_empty() { None } else { Some(Architecture::parse(name)?) };
        let decoration = Self {
            architecture,
            os_major: number(fields.next())?,
            os_minor: number(fields.next())?,
            product_type: number(fields.next())?,
            suite_mask: number(fields.next())?,
            build: number(fields.next())?,
        };
        (nt.eq_ignore_ascii_case("nt") && fields.next().is_none()).then_some(decoration)
    }
}

/// An optional field: `Some(None)` where it is empty, `None` where it is no number of that size.
fn number<T: TryFrom<u32>>(field: Option<&str>) -> Option<Option<T>> {
    let Some(field) = field.map(str::trim).filter(|field| !field.is_empty()) else { return Some(None) };
    let (digits, radix) = match field.get(..2) {
        Some("0x" | "0X") => (&field[2..], 16),
        _ => (field, 10),
    };
    let plain = !digits.starts_with('+');
    let value = u32::from_str_radix(digits, radix).ok().filter(|_| plain)?;
    T::try_from(value).ok().map(Some)
}

impl fmt::Display for Decoration {
    /// As Windows documents it, without needless dots: `NTamd64.10.0...22000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NT{}", self.architecture.map_or("", Architecture::name))?;
        let fields = [
            self.os_major.map(u32::from),
            self.os_minor.map(u32::from),
            self.product_type.map(u32::from),
            self.suite_mask,
            self.build,
        ];
        let used = fields.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        for field in &fields[..used] {
            f.write_str(".")?;
            if let Some(number) = field {
                write!(f, "{number}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decorations_are_read_in_every_form() {
        let check = |text: &str, expect: &str| {
            assert_eq!(
                Decoration::parse(text).map(|read| read.to_string()).as_deref(),
                Some(expect),
                "{text}"
            );
        };
        check("NT", "NT");
        check("ntamd64", "NTamd64");
        check("NTX86.5.1", "NTx86.5.1");
        check("nt.5.1", "NT.5.1");
        check("NT.7", "NT.7");
        check("NTamd64.10.0...22000", "NTamd64.10.0...22000");
        check("NTamd64...1", "NTamd64...1");
        check("NTarm64.10.0.1..16299", "NTarm64.10.0.1..16299");
        check("ntx86.5.1.0x1", "NTx86.5.1.1");
        check("NTia64.6.0..0x80", "NTia64.6.0..128");
        check("NTarm.6.2...", "NTarm.6.2");
    }

    #[test]
    fn what_is_no_decoration_is_refused() {
        for text in [
            "",
            "N",
            "amd64",
            "NT$ARCH$",
            "NTmips",
            "NTamd64.x",
            "NTx86.5.1.2.3.4.5",
            "NTamd64.+6",
            "NTx86.70000",
            "NTx86.6.0.300",
            "ñt",
            "NTamd64.-1",
        ] {
            assert_eq!(Decoration::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_is_read_back(
            architecture in proptest::option::of(proptest::sample::select(&Architecture::ALL)),
            os_major in any::<Option<u16>>(), os_minor in any::<Option<u16>>(), product_type in any::<Option<u8>>(),
            suite_mask in any::<Option<u32>>(), build in any::<Option<u32>>(),
        ) {
            let decoration = Decoration { architecture, os_major, os_minor, product_type, suite_mask, build };
            prop_assert_eq!(Decoration::parse(&decoration.to_string()), Some(decoration));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Decoration::parse(&text);
        }
    }
}
