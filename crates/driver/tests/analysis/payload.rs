//! Which files belong to a driver, in every way in which an INF can name them.

use driver::inf::{Architecture, Inf};
use driver::install::{Service, plan};
use proptest::prelude::*;

use crate::rig::{Rig, codes, payload, too_much_text};

/// An INF whose models section of each architecture names the install section `I`; `rest` is what follows.
fn text(architectures: &str, rest: &str) -> String {
    let mut text = format!(
        "[Version]\nSignature=\"$Windows NT$\"\nClass=Net\nClassGuid={{4d36e972-e325-11ce-bfc1-08002be10318}}\n\
         Provider=P\nDriverVer=03/05/2026,1.2\n[Manufacturer]\nP=M,{}\n",
        architectures.replace(' ', ",")
    );
    for architecture in architectures.split(' ') {
        text.push_str(&format!("[M.{architecture}]\nD=I,PCI\\A\n"));
    }
    text + rest
}

/// The payload besides the INF itself, and the findings besides `no_catalog`.
#[track_caller]
fn check_all(architectures: &str, rest: &str, files: &[&str], expect: &[&str], findings: &[&str]) {
    let text = text(architectures, rest);
    let rig = Rig::new(&[("d.inf", text.as_bytes())]);
    files.iter().for_each(|file| rig.write(file, b"content"));
    let driver = rig.analyze("d.inf").unwrap();
    let mut found = payload(&driver);
    found.retain(|file| file != "d.inf");
    assert_eq!(found, expect, "{rest}");
    let mut found = codes(&driver.diagnostics);
    found.retain(|code| *code != "no_catalog");
    assert_eq!(found, findings, "{rest}");
}

#[track_caller]
fn check(rest: &str, files: &[&str], expect: &[&str], findings: &[&str]) {
    check_all("NTamd64", rest, files, expect, findings);
}

#[test]
fn copied_files_lie_where_the_tables_say() {
    let disks = "[SourceDisksNames]\n1=d\n2=d,,,\"\\sub\\\"\n3=d,,,.\\a\\\\b\n";
    let one = |source: &str| format!("[I]\nCopyFiles=@f.sys\n{disks}[SourceDisksFiles]\n{source}\n");
    check(&one("f.sys=1"), &["F.SYS"], &["F.SYS:amd64"], &[]);
    check(&one("F.SYS=0x1"), &["f.sys"], &["f.sys:amd64"], &[]);
    check(&one("f.sys=1,x64"), &["X64/f.sys"], &["X64/f.sys:amd64"], &[]);
    check(&one("f.sys=2"), &["sub/f.sys"], &["sub/f.sys:amd64"], &[]);
    check(&one("f.sys=3,/c"), &["a/b/c/f.sys"], &["a/b/c/f.sys:amd64"], &[]);
    check(&one("f.sys=1,x64"), &["f.sys"], &["x64/f.sys:amd64!"], &["payload_missing"]);
    check(&one("f.sys=9,x64"), &["x64/f.sys"], &["x64/f.sys:amd64"], &["source_disk_missing"]);
    check(&one("g.sys=1"), &["f.sys"], &["f.sys:amd64"], &["source_entry_missing"]);
    check(&one("g.sys=1"), &[], &["f.sys:amd64!"], &["payload_missing", "source_entry_missing"]);
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let outside = |disk: &str, folder: &str, name: &str| {
        let rest = format!(
            "[I]\nCopyFiles=L\n[L]\n{name}\n[SourceDisksNames]\n1=d,,,{disk}\n[SourceDisksFiles]\n{name}=1,{folder}\n"
        );
        check(&rest, &["f.sys"], &[], &["name_refused"]);
    };
    outside("..", "", "f.sys");
    outside("", "..\\..", "f.sys");
    outside("", "a\\..\\..", "f.sys");
    outside("C:\\windows", "", "f.sys");
    outside("\\\\server\\share", "", "f.sys");
    outside("", "", "..\\f.sys");
    outside("", "", "c:f.sys");
    check("[I]\nCopyINF=..\\x.inf\n", &[], &[], &["name_refused"]);
    check("[I]\nCopyFiles=@..\\f.sys\n", &[], &[], &["name_refused"]);
}

#[test]
fn lists_name_destinations_and_sources() {
    let rest = "[I]\nCopyFiles=L,@at.dll,Missing\nCopyFiles=L\n[L]\nto.sys,from.sys\nplain.dll\nflags.dll,,,0x20\n\
                [SourceDisksNames]\n1=d\n[SourceDisksFiles]\nfrom.sys=1\nplain.dll=1\nflags.dll=1\nat.dll=1\nnever.dll=1\n";
    check(
        rest,
        &["from.sys", "plain.dll", "flags.dll", "at.dll", "never.dll"],
        &["at.dll:amd64", "flags.dll:amd64", "from.sys:amd64", "plain.dll:amd64"],
        &["copy_list_missing"],
    );
}

#[test]
fn each_architecture_has_its_own_files() {
    let rest = "[I]\nCopyFiles=@all.dll,@one.sys\n[I.NTx86]\nCopyFiles=@all.dll,@one.sys,@old.dll\n\
                [SourceDisksNames]\n1=d\n[SourceDisksNames.amd64]\n1=d,,,x64\n\
                [SourceDisksFiles]\nall.dll=2\none.sys=1\nold.dll=1\n[SourceDisksNames.x86]\n2=d\n\
                [SourceDisksNames.amd64]\n2=d\n[SourceDisksFiles.x86]\none.sys=1,x86\n[SourceDisksFiles.ntamd64]\none.sys=1,no\n";
    check_all(
        "NTx86 NTamd64",
        rest,
        &["all.dll", "x86/one.sys", "x64/one.sys", "old.dll", "no/one.sys"],
        &["all.dll:x86,amd64", "old.dll:x86", "x64/one.sys:amd64", "x86/one.sys:x86"],
        &[],
    );
}

#[test]
fn the_section_of_the_architecture_counts() {
    let sections = |decorations: &[&str]| -> String {
        decorations
            .iter()
            .map(|own| format!("[I{own}]\nCopyFiles=@{}.sys\n", &own[own.len().min(1)..]))
            .collect()
    };
    let files = ["ntamd64.sys", "nt.sys", ".sys", "ntx86.sys"];
    let check = |decorations: &[&str], expect: &str| {
        let expect = [expect];
        let tables =
            "[SourceDisksNames]\n1=d\n[SourceDisksFiles]\nntamd64.sys=1\nnt.sys=1\n.sys=1\nntx86.sys=1\n";
        check(&(sections(decorations) + tables), &files, &expect, &[]);
    };
    check(&[".ntamd64", ".nt", "", ".ntx86"], "ntamd64.sys:amd64");
    check(&[".nt", "", ".ntx86"], "nt.sys:amd64");
    check(&["", ".ntx86"], ".sys:amd64");
}

#[test]
fn sections_that_belong_to_the_install_section_are_followed() {
    let rest = "[I.NTamd64]\nNeeds=More, Net.Inbox\nInclude=netvwifibus.inf\n[I.NTamd64.CoInstallers]\nCopyFiles=@co.dll\n\
                [I.CoInstallers]\nCopyFiles=@never.dll\n[I.NTamd64.Interfaces]\nAddInterface={1},,Face\n[Face]\nCopyFiles=@face.dll\n\
                [I.NTamd64.Software]\nAddSoftware=App,,Soft\n[Soft]\nSoftwareType=1\nSoftwareBinary=%13%\\setup.exe\n\
                [I.NTamd64.Components]\nAddComponent=C,,Comp\nAddComponent=D,,Comp\n[Comp]\nComponentIDs=V1&P1,V1&P2\n\
                [More]\nCopyFiles=@more.dll\nNeeds=Last\n[Last]\nCopyFiles=@last.dll\n[ClassInstall32.NT]\nCopyFiles=@class.dll\n\
                [SourceDisksNames]\n1=d\n[SourceDisksFiles]\nco.dll=1\nface.dll=1\nmore.dll=1\nlast.dll=1\nclass.dll=1\nsetup.exe=1\n";
    let files = ["co.dll", "face.dll", "more.dll", "last.dll", "class.dll", "setup.exe", "never.dll"];
    check(
        rest,
        &files,
        &[
            "class.dll:amd64",
            "co.dll:amd64",
            "face.dll:amd64",
            "last.dll:amd64",
            "more.dll:amd64",
            "setup.exe:amd64",
        ],
        &[],
    );
    let software =
        "[I]\nX=1\n[I.Software]\nAddSoftware=App,,Soft\n[Soft]\nSoftwareBinary=%13%\\app\\run.exe\n";
    check(software, &["app/run.exe"], &["app/run.exe:amd64"], &["source_entry_missing"]);
    let rig = Rig::new(&[("d.inf", text("NTamd64", rest).as_bytes())]);
    assert_eq!(rig.analyze("d.inf").unwrap().component_ids, ["V1&P1", "V1&P2"]);
}

#[test]
fn needs_may_be_missing_or_run_in_circles() {
    let tables = "[SourceDisksNames]\n1=d\n[SourceDisksFiles]\na.dll=1\nb.dll=1\n";
    check(&format!("[I]\nNeeds=Gone\n{tables}"), &[], &[], &["needs_missing"]);
    check(
        &format!("[I]\nNeeds=A\n[A]\nCopyFiles=@a.dll\nNeeds=B\n[B]\nNeeds=A,B\nCopyFiles=@b.dll\n{tables}"),
        &["a.dll", "b.dll"],
        &["a.dll:amd64", "b.dll:amd64"],
        &["needs_loop", "needs_loop"],
    );
    let chain: String = (0..100).map(|n| format!("[S{n}]\nNeeds=S{}\nCopyFiles=@a.dll\n", n + 1)).collect();
    check(&format!("[I]\nNeeds=S0\n{chain}{tables}"), &["a.dll"], &["a.dll:amd64"], &["needs_too_deep"]);
}

#[test]
fn compressed_files_and_cabinets_count_as_there() {
    let tables =
        "[I]\nCopyFiles=@f.sys,@g.sys\n[SourceDisksNames]\n1=d,data.cab\n2=d,disk2,,sub,0x10\n3=d,tag\n";
    let source = |one: &str, two: &str| format!("{tables}[SourceDisksFiles]\nf.sys={one}\ng.sys={two}\n");
    let mut builder = cab::CabinetBuilder::new();
    builder.add_folder(cab::CompressionType::MsZip).add_file("Inner\\F.SYS");
    let mut writer = builder.build(std::io::Cursor::new(Vec::new())).unwrap();
    while let Some(mut file) = writer.next_file().unwrap() {
        std::io::Write::write_all(&mut file, b"inside").unwrap();
    }
    let cabinet = writer.finish().unwrap().into_inner();
    let check =
        |rest: &str, cabinets: &[(&str, &[u8])], files: &[&str], expect: &[&str], findings: &[&str]| {
            let rig = Rig::new(cabinets);
            rig.write("d.inf", text("NTamd64", rest).as_bytes());
            files.iter().for_each(|file| rig.write(file, b"content"));
            let driver = rig.analyze("d.inf").unwrap();
            assert_eq!(payload(&driver), expect, "{rest}");
            assert_eq!(&codes(&driver.diagnostics)[1..], findings, "{rest}");
        };
    let both = source("1", "1");
    check(&both, &[], &["F.SY_", "g.sys"], &["d.inf", "F.SY_:amd64", "g.sys:amd64"], &[]);
    let inside = ["d.inf", "Data.cab:amd64", "f.sys:amd64", "g.sys:amd64!"];
    check(&both, &[("Data.cab", &cabinet)], &[], &inside, &["payload_missing"]);
    // A plain file counts before the cabinet.
    check(
        &both,
        &[("data.cab", &cabinet)],
        &["f.sys", "g.sys"],
        &["d.inf", "f.sys:amd64", "g.sys:amd64"],
        &[],
    );
    let flagged = ["d.inf", "g.sys:amd64", "sub/disk2:amd64", "sub/f.sys:amd64"];
    check(&source("2", "3"), &[("sub/disk2", &cabinet)], &["g.sys"], &flagged, &[]);
    let damaged = ["d.inf", "f.sys:amd64!", "g.sys:amd64"];
    let findings = ["payload_missing", "cabinet_unreadable"];
    check(&both, &[("data.cab", b"MSCF and no more")], &["g.sys"], &damaged, &findings);
    // A tag file without the flag is no cabinet.
    check(&source("3", "3"), &[("tag", &cabinet)], &["g.sys"], &damaged, &["payload_missing"]);
}

#[test]
fn copied_inf_files_bring_their_own() {
    let tables = "[SourceDisksNames]\n1=d\n[SourceDisksFiles]\n";
    let child =
        text("NTamd64 NTx86", &format!("[I]\nCopyFiles=@c.sys\nCopyINF=..\\d.inf\n{tables}c.sys=1\n"));
    let rest = format!("[I]\nCopyFiles=@p.sys\nCopyINF=Ext\\c.inf,d.inf,gone.inf\n{tables}p.sys=1\n");
    let rig = Rig::new(&[("d.inf", text("NTamd64", &rest).as_bytes()), ("ext/c.inf", child.as_bytes())]);
    rig.write("p.sys", b"1");
    rig.write("ext/c.sys", b"2");
    let driver = rig.analyze("d.inf").unwrap();
    assert_eq!(
        payload(&driver),
        ["d.inf", "ext/c.inf:amd64", "ext/c.sys:amd64", "gone.inf:amd64!", "p.sys:amd64"]
    );
    let found = codes(&driver.diagnostics);
    assert_eq!(found, ["no_catalog", "payload_missing"], "{:?}", driver.diagnostics);
}

/// An INF that breaks a limit is not followed, also where another one copies it.
#[test]
fn a_copied_inf_beyond_a_limit_is_told_of() {
    let child = text("NTamd64", &format!("[I]\nCopyFiles=@c.sys\n[Big]\n{}", too_much_text()));
    let rig = Rig::new(&[
        ("d.inf", text("NTamd64", "[I]\nCopyINF=e.inf\n").as_bytes()),
        ("e.inf", child.as_bytes()),
        ("c.sys", b"1"),
    ]);
    let driver = rig.analyze("d.inf").unwrap();
    assert_eq!(payload(&driver), ["d.inf", "e.inf:amd64"]);
    assert_eq!(codes(&driver.diagnostics), ["no_catalog", "copied_inf_invalid"]);
}

/// A file that the driver shares with an INF that it copies is judged by the driver's own catalog.
#[test]
fn a_copied_inf_vouches_for_nothing_of_the_driver() {
    let tables = "[SourceDisksNames]\n1=d\n[SourceDisksFiles]\np.sys=1\n";
    let named =
        |inf: String, catalog: &str| inf.replace("Provider=P", &format!("Provider=P\nCatalogFile={catalog}"));
    let child = named(text("NTx86 NTamd64", &format!("[I]\nCopyFiles=@p.sys\n{tables}")), "c.cat");
    let rest = format!("[I.NTx86]\nCopyINF=c.inf\n[I]\nCopyFiles=@p.sys\n{tables}");
    let parent = named(text("NTx86 NTamd64", &rest), "d.cat");
    let rig = Rig::new(&[("d.inf", parent.as_bytes()), ("c.inf", child.as_bytes()), ("p.sys", b"changed")]);
    rig.sign("d.cat", &["d.inf"]);
    rig.sign("c.cat", &["c.inf", "p.sys"]);
    let driver = rig.analyze("d.inf").unwrap();
    assert_eq!(driver.signature.state, driver::SignatureState::PayloadNotCovered);
    assert_eq!(payload(&driver), ["c.cat:x86", "c.inf:x86+", "d.cat", "d.inf+", "p.sys:x86,amd64-"]);
}

#[test]
fn inf_files_that_copy_each_other_end() {
    let copies = |name: &str| text("NTamd64", &format!("[I]\nCopyINF={name}\n"));
    let rig = Rig::new(&[("d.inf", copies("e.inf").as_bytes()), ("e.inf", copies("d.inf").as_bytes())]);
    let driver = rig.analyze("d.inf").unwrap();
    assert_eq!(payload(&driver), ["d.inf", "e.inf:amd64"]);
    assert_eq!(codes(&driver.diagnostics), ["no_catalog", "copy_inf_loop"]);
    let rig = Rig::new(&[("d.inf", copies("0.inf").as_bytes())]);
    (0..50).for_each(|n| rig.write(&format!("{n}.inf"), copies(&format!("{}.inf", n + 1)).as_bytes()));
    let driver = rig.analyze("d.inf").unwrap();
    assert_eq!(codes(&driver.diagnostics), ["no_catalog", "copy_inf_too_many"]);
    assert_eq!(driver.payload.len(), 10);
}

#[test]
fn printers_name_files_that_windows_may_have() {
    let rest = "[I]\nCopyFiles=@own.gpd\nDriverFile=unidrv.dll\nDataFile=own.gpd\nConfigFile=ui.dll\nHelpFile=help.hlp\n\
                DataSection=Data\nLanguageMonitor=\"Mon,mon.dll\"\nPrintProcessor=Proc,proc.dll\nInclude=ntprint.inf\nNeeds=UNIDRV.OEM\n\
                [Data]\nDataFile=more.ppd\n[SourceDisksNames]\n1=d\n[SourceDisksFiles]\nown.gpd=1\nui.dll=1\nmon.dll=1,x64\nproc.dll=1\n";
    check(
        rest,
        &["own.gpd", "ui.dll", "x64/mon.dll", "more.ppd", "help.txt"],
        &["more.ppd:amd64", "own.gpd:amd64", "ui.dll:amd64", "x64/mon.dll:amd64"],
        &[],
    );
    // A models line may name the data file in place of a section.
    let text = text("NTamd64", "").replace("D=I,", "D=LASER.PPD,");
    let rig = Rig::new(&[("d.inf", text.as_bytes()), ("laser.ppd", b"1")]);
    assert_eq!(payload(&rig.analyze("d.inf").unwrap()), ["d.inf", "laser.ppd:amd64"]);
}

#[test]
fn files_of_windows_are_left_out() {
    let rest = "[Version]\nLayoutFile=layout.inf\n[I]\nCopyFiles=@usbser.sys,@own.sys\n[SourceDisksNames]\n1=d\n\
                [SourceDisksFiles]\nown.sys=1\n";
    check(rest, &["own.sys"], &["own.sys:amd64"], &["layout_elsewhere"]);
    // What lies beside the INF belongs to it all the same.
    let both = ["own.sys:amd64", "usbser.sys:amd64"];
    check(rest, &["own.sys", "usbser.sys"], &both, &["layout_elsewhere"]);
    // A layout that lies there is read.
    let rig =
        Rig::new(&[("d.inf", text("NTamd64", rest).as_bytes()), ("sub/usbser.sys", b"1"), ("own.sys", b"2")]);
    rig.write(
        "LAYOUT.INF",
        b"[SourceDisksNames]\n1=d\n2=d,,,sub\n[SourceDisksFiles]\nusbser.sys=2\nown.sys=2\n",
    );
    let driver = rig.analyze("d.inf").unwrap();
    assert_eq!(payload(&driver), ["d.inf", "own.sys:amd64", "sub/usbser.sys:amd64"]);
    assert_eq!(codes(&driver.diagnostics), ["no_catalog"]);
}

#[test]
fn services_are_read() {
    let text = "[I.Services]\nAddService=one,%Flags%,One\nAddService=,2\nAddService=gone,0x2,Gone\n\
                [One]\nStartType=0x3\nLoadOrderGroup=SCSI Miniport\n[Strings]\nFlags=0x00000002\n";
    let plan = plan(&Inf::parse(format!("[I]\n{text}").as_bytes()), &[], Architecture::Amd64, ["I"]);
    let service =
        |name: &str, start_type| Service { name: name.to_owned(), start_type, is_function_driver: true };
    assert_eq!(plan.services, [service("one", Some(3)), service("", None), service("gone", None)]);
    assert_eq!(codes(&plan.diagnostics), ["service_section_missing"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an INF says, what is said to be there is a file of the folder.
    #[test]
    fn payload_never_leaves_the_folder(
        disk in "[a./\\\\:]{0,6}", folder in "[ab./\\\\:]{0,6}", name in "[a./\\\\:]{1,6}", copied in "[ab./\\\\]{1,6}",
    ) {
        let rest = format!(
            "[I]\nCopyFiles=\"@{name}\"\nCopyINF=\"{copied}\"\n[SourceDisksNames]\n1=d,,,\"{disk}\"\n\
             [SourceDisksFiles]\n\"{name}\"=1,\"{folder}\"\n"
        );
        let rig = Rig::new(&[("in/a/d.inf", text("NTamd64", &rest).as_bytes()), ("a", b"1"), ("in/a/a", b"2")]);
        rig.write("in/a/b/a", b"3");
        let (folder, inf) = rig.folder().around("in/a/d.inf").unwrap();
        let driver = driver::analysis::analyze(&folder, &inf, &crate::rig::trust()).unwrap();
        for file in &driver.payload {
            prop_assert!(!file.path.split('/').any(|part| part == ".." || part.is_empty()), "{}", file.path);
            if file.present {
                prop_assert!(folder.lookup(&file.path).is_some(), "{}", file.path);
            }
        }
    }
}
