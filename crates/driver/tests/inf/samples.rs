//! Hand-written INF files, one for each kind, with the facts that the corpus test compares for real ones.

use crate::facts::facts;

/// A network driver for two architectures, with everything that a current one has.
pub(crate) const NETWORK: &str = r#"; Example network adapter
[Version]
Signature   = "$Windows NT$"
Class       = Net
ClassGuid   = {4D36E972-E325-11CE-BFC1-08002BE10318}
Provider    = %ProviderName%   ; who made it
DriverVer   = 06/26/2026,1.2.3.4
CatalogFile = exnet.cat
CatalogFile.NTarm64 = exnet-arm64.cat
PnpLockdown = 1

[Manufacturer]
%ProviderName% = ExNet, NTamd64.10.0, NTarm64.10.0...22000
%Brand% = ExBrand, NTamd64

[ExNet.NTamd64.10.0]
%Card.One%  = Card.ndi, PCI\VEN_1AF4&DEV_1000&SUBSYS_00011AF4, PCI\VEN_1AF4&DEV_1000
%Card.Two%  = Card.ndi, PCI\VEN_1AF4&DEV_1041 ; a comment

[ExNet.NTarm64.10.0...22000]
%Card.One%  = Card.ndi, PCI\VEN_1AF4&DEV_1000

[ExBrand.NTamd64]
"A ""branded"" card, 2nd" = Card.ndi,, *PNPEX01, PCI\VEN_1AF4&DEV_1000

[Card.ndi]
AddReg   = Reg.One, Reg.Two
CopyFiles = @exnet.sys

[Reg.One]
HKR, Ndi, Service, 0, "exnet"
HKR, , "Text; with = signs, and more", 0x00010000, \
     "first;", \
     "second"

[Reg.Two]
HKR,Ndi\Params\Speed,Default,0,"%12%\drivers"

[Strings]
ProviderName = "Example Networks, Inc."
Brand = Brand
Card.One = "Example Card 1"
Card.Two = "Example Card 2 %%"
"#;

/// A driver with neutral strings and two localized sections, neither of them complete.
pub(crate) const LOCALIZED: &str = r#"[version]
signature="$CHICAGO$"
class=Ports
CLASSGUID={4d36e978-e325-11ce-bfc1-08002be10318}
provider=%mfg%
driverver=1-25-2002
[MANUFACTURER]
%mfg%=Models
[models]
%desc%=Install,USB\VID_1209&PID_0001
%desc%=Install,USB\VID_1209&PID_0002,usb\vid_1209&pid_0001
[Install]
AddReg=x
[Strings]
mfg="Example"
desc="Serial adapter"
MFG="defined again"
[Strings.0407]
desc="Serieller Adapter"
[strings.0009]
desc="Serial adaptor"
[MODELS]
Plain text = Install, ROOT\EXAMPLE
"#;

/// An extension INF.
pub(crate) const EXTENSION: &str = r#"[Version]
Signature="$WINDOWS NT$"
Class=Extension
ClassGuid={e2f84ce7-8efa-411c-aa69-97454ca4cb57}
ExtensionId={A1B2C3D4-0000-4000-8000-000000000001}
Provider="Example"
DriverVer=02/28/2025,65534.0.0.1
CatalogFile.NT=ext.cat
[Manufacturer]
"Example"=Ext,NTamd64...1
[Ext.NTamd64...1]
"Example extension"=Ext_Install,PCI\VEN_1AF4&DEV_1000
"#;

/// A template that no build has filled in, in old forms: the manufacturer's value is the section, nothing is quoted.
pub(crate) const TEMPLATE: &str = "[Version]\nSignature=$Windows NT$\nClass=\nDriverVer=\n\
    [Manufacturer]\nOldForm\n\"Example\"=Std,NT$ARCH$\n[OldForm]\nOld device=Old_Install,*PNP0F01\n\
    [Std.NT$ARCH$]\n\"New device\"=New_Install,ROOT\\NEW\n";

/// Damage of every kind: control characters, unclosed brackets and quotes, stray text, empty keys, merged sections.
pub(crate) const DAMAGED: &str = "stray\r\n[Version\r\nSignature=\"$Windows NT$\"\r\nProvidur=\"x\r\nC\x0flass=Net\r\n\
    [Manufacturer] behind\n= Empty\n\"Example\"=\n%none%=Models,NTamd64.x\r[Models]\r\
    [ Models ]\r\nno key\r\n\"Lost\" \"quote\" = Install,PCI\\A,\"PCI\\B\"x,,\x1a\r\n// no comment\r\n\
    %unknown% = \x1fInstall\\\r\n[Swallowed]\r\n[\"quoted ] name\"] ; c\r\na=b\r\n[Strings]\r\nlonely\r\n\x1a";

#[test]
fn samples_have_their_facts() {
    let check = |name: &str, text: &str, expect: &[(&str, &str)]| {
        let facts = facts(text.as_bytes());
        for (column, value) in expect {
            assert_eq!(facts[column], *value, "{name}: {column}");
        }
        assert!(expect.len() >= 8, "{name}: enough is compared");
    };
    check(
        "network",
        NETWORK,
        &[
            ("encoding", "ascii"),
            ("signature", "$Windows NT$"),
            ("class", "Net"),
            ("classguid", "{4d36e972-e325-11ce-bfc1-08002be10318}"),
            ("provider", "Example Networks, Inc."),
            ("driverver_date", "06/26/2026"),
            ("driverver_version", "1.2.3.4"),
            ("catalogs", "catalogfile=exnet.cat;catalogfile.ntarm64=exnet-arm64.cat"),
            ("decorations", "ntamd64,ntamd64.10.0,ntarm64.10.0...22000"),
            ("models_sections", "3"),
            ("models_lines", "4"),
            ("distinct_ids", "4"),
            ("extensionid", ""),
            ("string_langs", ""),
            ("sections", "9"),
        ],
    );
    check(
        "localized",
        LOCALIZED,
        &[
            ("signature", "$CHICAGO$"),
            ("class", "Ports"),
            ("provider", "Example"),
            ("driverver_date", "1-25-2002"),
            ("driverver_version", ""),
            ("catalogs", ""),
            ("decorations", ""),
            ("models_sections", "1"),
            ("models_lines", "3"),
            ("distinct_ids", "3"),
            ("string_langs", "0009,0407"),
            ("sections", "7"),
        ],
    );
    check(
        "extension",
        EXTENSION,
        &[
            ("class", "Extension"),
            ("extensionid", "{a1b2c3d4-0000-4000-8000-000000000001}"),
            ("provider", "Example"),
            ("driverver_version", "65534.0.0.1"),
            ("catalogs", "catalogfile.nt=ext.cat"),
            ("decorations", "ntamd64...1"),
            ("models_lines", "1"),
            ("sections", "3"),
        ],
    );
    check(
        "template",
        TEMPLATE,
        &[
            ("signature", "$Windows NT$"),
            ("class", ""),
            ("provider", ""),
            ("driverver_date", ""),
            ("decorations", "nt$arch$"),
            ("models_sections", "2"),
            ("models_lines", "2"),
            ("distinct_ids", "2"),
        ],
    );
    check(
        "damaged",
        DAMAGED,
        &[
            ("signature", "$Windows NT$"),
            ("class", ""),
            ("provider", ""),
            ("models_sections", "1"),
            ("models_lines", "2"),
            ("distinct_ids", "2"),
            ("sections", "5"),
            ("decorations", "ntamd64.x"),
        ],
    );
}
