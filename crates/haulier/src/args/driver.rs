//! `haulier driver`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `haulier driver`.
#[derive(Debug, Subcommand)]
pub(crate) enum DriverCommand {
    /// Import every driver of folders or archives (.cab, .zip) into the catalog, and report what became of each.
    Import(DriverImport),
    /// List the drivers of the catalog.
    List(DriverList),
    /// Show one driver: what it is for, what belongs to it, what is wrong with it, which packages hold it.
    #[command(after_help = "Example: haulier driver show 16777217")]
    Show {
        /// The driver: its CI_ID or exact name.
        driver: String,
    },
    /// Let machines find drivers.
    #[command(after_help = "Example: haulier driver enable 16777217 16777218")]
    Enable {
        /// The drivers: CI_IDs or exact names.
        #[arg(required = true)]
        drivers: Vec<String>,
    },
    /// Hide drivers from machines; packages keep them.
    #[command(after_help = "Example: haulier driver disable 16777217")]
    Disable {
        /// The drivers: CI_IDs or exact names.
        #[arg(required = true)]
        drivers: Vec<String>,
    },
    /// Forget drivers; packages keep their content until it is removed there.
    #[command(after_help = "Example: haulier driver delete 16777217")]
    Delete {
        /// The drivers: CI_IDs or exact names.
        #[arg(required = true)]
        drivers: Vec<String>,
    },
    /// Find the best driver for each device of a machine, by Windows' ranking rules.
    Match(DriverMatch),
    /// A vendor's list of driver packs: show it, or import a pack.
    #[command(subcommand)]
    Packs(PacksCommand),
}

/// `haulier driver import`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier driver import /srv/drivers/latitude-7440 /srv/drivers/dock.cab")]
pub(crate) struct DriverImport {
    /// Folders or archives as the site server sees them: local paths, or UNC paths mapped in `[shares]`.
    #[arg(required_unless_present_any = ["watch", "cancel"])]
    pub(crate) sources: Vec<String>,

    /// Show how far an import is that was started before, until its end.
    #[arg(long, value_name = "IMPORT", conflicts_with_all = ["sources", "cancel"])]
    pub(crate) watch: Option<u64>,

    /// End an import; what was imported stays.
    #[arg(long, value_name = "IMPORT", conflicts_with = "sources")]
    pub(crate) cancel: Option<u64>,

    #[command(flatten)]
    pub(crate) options: ImportOptions,
}

/// How drivers are imported.
#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Put the drivers into this category; it is made if it does not exist.
    #[arg(long = "category", value_name = "NAME")]
    pub(crate) categories: Vec<String>,

    /// Import the drivers disabled: no machine gets them until `haulier driver enable`. Drivers that are known already
    /// stay as they are.
    #[arg(long)]
    pub(crate) disabled: bool,

    /// What happens to the categories of drivers that are in the catalog already.
    #[arg(long, value_enum, default_value = "append")]
    pub(crate) duplicates: Duplicates,

    /// Return once the site has accepted the import, without waiting for its end.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// The categories of a driver that is imported again.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Duplicates {
    /// The given ones are added.
    Append,
    /// They stay as they are.
    Keep,
    /// They become the given ones.
    Overwrite,
}

/// `haulier driver list`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier driver list --class Net --json")]
pub(crate) struct DriverList {
    /// Only this device class, for example Net.
    #[arg(long)]
    pub(crate) class: Option<String>,

    /// Only drivers with this text in their name or provider.
    #[arg(long)]
    pub(crate) text: Option<String>,

    /// Only drivers in this category.
    #[arg(long)]
    pub(crate) category: Option<String>,

    /// Only drivers whose signature does not cover them.
    #[arg(long)]
    pub(crate) unsigned: bool,
}

/// `haulier driver match`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: haulier driver match --os 10.0.22631 --architecture x64 --id 'PCI\\VEN_8086&DEV_15FB'"
)]
pub(crate) struct DriverMatch {
    /// The Windows version with its build.
    #[arg(long, default_value = "10.0.22631", value_name = "MAJOR.MINOR.BUILD")]
    pub(crate) os: String,

    /// The machine's architecture: x86, x64 or arm64.
    #[arg(long, default_value = "x64")]
    pub(crate) architecture: String,

    /// The machine runs a server release.
    #[arg(long)]
    pub(crate) server: bool,

    /// A device with just this hardware id; may be given several times.
    #[arg(long = "id", value_name = "HARDWARE-ID")]
    pub(crate) ids: Vec<String>,

    /// A file with the machine's devices: what `pnputil /enum-devices /ids` prints, or one id a line with an
    /// empty line between devices; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    pub(crate) devices: Option<PathBuf>,

    /// Also download the matched drivers, and nothing else, as one zip file.
    #[arg(long, value_name = "FILE")]
    pub(crate) zip: Option<PathBuf>,
}

/// `haulier driver packs`.
#[derive(Debug, Subcommand)]
pub(crate) enum PacksCommand {
    /// List the packs of a vendor's catalog file (Dell, HP, Lenovo, Surface, Panasonic; .xml, .json or .cab).
    List(PacksList),
    /// Download a pack, check its hash, and import its drivers.
    Import(PacksImport),
}

/// `haulier driver packs list`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier driver packs list DriverPackCatalog.cab --model 'Latitude 7440'")]
pub(crate) struct PacksList {
    /// The vendor's catalog file.
    pub(crate) catalog: PathBuf,

    /// Only packs for a model whose name holds this text.
    #[arg(long)]
    pub(crate) model: Option<String>,

    /// Only packs for this SKU (Dell and Surface: SystemSKU; HP: baseboard product; Lenovo: machine type).
    #[arg(long)]
    pub(crate) sku: Option<String>,

    /// Only packs for an operating system whose name holds this text, for example `Windows 11`.
    #[arg(long)]
    pub(crate) os: Option<String>,
}

/// `haulier driver packs import`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier driver packs import DriverPackCatalog.cab Latitude-7440-K4C5T.CAB")]
pub(crate) struct PacksImport {
    /// The vendor's catalog file.
    pub(crate) catalog: PathBuf,

    /// The pack's id in `haulier driver packs list`.
    pub(crate) pack: String,

    /// Take the pack from here, a file as the site server sees it or a URL, instead of the vendor's address;
    /// its hash must be the catalog's all the same.
    #[arg(long, value_name = "PATH-OR-URL")]
    pub(crate) from: Option<String>,

    #[command(flatten)]
    pub(crate) options: ImportOptions,
}
