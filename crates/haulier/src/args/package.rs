//! `haulier package`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `haulier package`.
#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// List the packages, driver packages and plain ones.
    #[command(after_help = "Example: haulier package list --json")]
    List,
    /// Show one package with its distribution points.
    #[command(after_help = "Example: haulier package show PS100001")]
    Show {
        /// The package: its ID or exact name.
        package: String,
    },
    /// Create a package and print its ID; its first version is read from the source at once.
    Create(PackageCreate),
    /// Change a package's properties, its source folder and its name among them.
    Set(PackageSet),
    /// Delete a package: content first leaves its distribution points, then the site.
    #[command(after_help = "Example: haulier package delete PS100001")]
    Delete {
        /// The package: its ID or exact name.
        package: String,
    },
    /// Publish the source as a new version and bring every distribution point to it.
    #[command(after_help = "Example: haulier package refresh PS100001 && haulier status PS100001 --watch")]
    Refresh {
        /// The package: its ID or exact name.
        package: String,
    },
    /// Show when a package is refreshed by itself, or say when it shall be.
    #[command(
        after_help = "Example: haulier package schedule PS100001 --set \"$(haulier schedule encode --start \
                            2026-01-05T02:00 --weekly monday)\""
    )]
    Schedule {
        /// The package: its ID or exact name.
        package: String,
        /// The schedule, as `haulier schedule encode` prints it; replaces what is there.
        #[arg(long, value_name = "STRING", conflicts_with = "clear")]
        set: Option<String>,
        /// Refresh it only when somebody asks.
        #[arg(long)]
        clear: bool,
    },
    /// Send a package to distribution points.
    #[command(after_help = "Example: haulier package distribute PS100001 dp1.example.test dp2.example.test")]
    Distribute {
        /// The package: its ID or exact name.
        package: String,
        /// The distribution points' names.
        #[arg(required = true)]
        distribution_points: Vec<String>,
    },
    /// Remove a package from distribution points.
    #[command(after_help = "Example: haulier package remove PS100001 dp2.example.test")]
    Remove {
        /// The package: its ID or exact name.
        package: String,
        /// The distribution points' names.
        #[arg(required = true)]
        distribution_points: Vec<String>,
    },
    /// Stop the transfer of a package to distribution points: it is not tried again until the package is refreshed or
    /// redistributed. What they serve stays.
    #[command(after_help = "Example: haulier package cancel PS100001 dp2.example.test")]
    Cancel {
        /// The package: its ID or exact name.
        package: String,
        /// The distribution points' names.
        #[arg(required = true)]
        distribution_points: Vec<String>,
    },
    /// Check a package on distribution points and fetch what is damaged or missing, at the same version.
    #[command(after_help = "Example: haulier package redistribute PS100001 dp1.example.test")]
    Redistribute {
        /// The package: its ID or exact name.
        package: String,
        /// The distribution points' names.
        #[arg(required = true)]
        distribution_points: Vec<String>,
    },
    /// Copy drivers into a package's source and publish the result.
    #[command(after_help = "Example: haulier package add-driver PS100001 16777217 16777218")]
    AddDriver {
        /// The package: its ID or exact name.
        package: String,
        /// The drivers: CI_IDs or exact names.
        #[arg(required = true)]
        drivers: Vec<String>,
        /// Copy from this folder instead of the drivers' own; the files must be those that were imported.
        #[arg(long, value_name = "PATH")]
        from: Option<String>,
        /// Publish later, with `haulier package refresh`.
        #[arg(long)]
        no_refresh: bool,
    },
    /// Remove drivers from a package's source and publish the result. Drivers of one folder go together.
    #[command(after_help = "Example: haulier package remove-driver PS100001 16777217")]
    RemoveDriver {
        /// The package: its ID or exact name.
        package: String,
        /// The drivers: CI_IDs or exact names.
        #[arg(required = true)]
        drivers: Vec<String>,
        /// Publish later, with `haulier package refresh`.
        #[arg(long)]
        no_refresh: bool,
    },
    /// List the drivers of a package and where in it they are.
    #[command(after_help = "Example: haulier package drivers PS100001")]
    Drivers {
        /// The package: its ID or exact name.
        package: String,
    },
    /// Copy all drivers of a package into its source again, from their folders or from the content library.
    #[command(after_help = "Example: haulier package rebuild PS100001")]
    Rebuild {
        /// The package: its ID or exact name.
        package: String,
        /// Copy from here instead of the drivers' own folders.
        #[arg(long, value_name = "PATH")]
        from: Option<String>,
    },
    /// Check that a folder holds a package's content, before the package's source is moved there.
    #[command(after_help = "Example: haulier package validate-source PS100001 /srv/new/7440 --move")]
    ValidateSource {
        /// The package: its ID or exact name.
        package: String,
        /// The folder as the site server sees it.
        source: String,
        /// Move the package's source there when it is right.
        #[arg(long = "move")]
        moves: bool,
    },
    /// Give a package to another site, which reads its source and publishes its versions from then on.
    ///
    /// At the site that owns it, or at one above that site, as when the owner is lost. What distribution points hold stays.
    #[command(after_help = "Example: haulier package set-source-site PS100001 S01")]
    SetSourceSite {
        /// The package: its ID or exact name.
        package: String,
        /// The code of the site that shall own it.
        #[arg(value_name = "SITE")]
        site: String,
    },
    /// Choose the package for a machine by manufacturer, model and SKU, as driver scripts do.
    Choose(PackageChoose),
    /// Write a version to one prestaged file, for distribution points and child sites that the network does not reach.
    Export(PackageExport),
    /// Publish the content of an earlier version, as far as it is kept, as the package's next version.
    ///
    /// What distribution points hold is not sent again. The source stays as it is: the next refresh publishes it again.
    #[command(after_help = "Example: haulier package rollback PS100001 --to 3")]
    Rollback {
        /// The package: its ID or exact name.
        package: String,
        /// The earlier version; `haulier package history` lists them.
        #[arg(long, value_name = "VERSION")]
        to: u64,
    },
    /// List a package's published versions.
    #[command(after_help = "Example: haulier package history PS100001")]
    History {
        /// The package: its ID or exact name.
        package: String,
    },
}

/// `haulier package export`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier package export PS100001 --output PS100001-3.hcp --data ps1")]
pub(crate) struct PackageExport {
    /// The package's ID.
    pub(crate) package_id: String,
    /// The version; the newest one unless given. Older versions are kept for a while only.
    #[arg(long = "version", value_name = "NUMBER")]
    pub(crate) package_version: Option<u32>,
    /// The file to write, by custom named *.hcp; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The site's data folder; the site may run meanwhile.
    #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// `haulier package choose`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: haulier package choose --manufacturer Dell --sku 0C06 --os 'Windows 11' --release 23H2"
)]
pub(crate) struct PackageChoose {
    /// Manufacturer, as the machine says it.
    #[arg(long)]
    pub(crate) manufacturer: String,
    /// Model, as the machine says it.
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// SKU (Dell and Surface: SystemSKU; HP: baseboard product; Lenovo: machine type).
    #[arg(long, default_value = "")]
    pub(crate) sku: String,
    /// The operating system's name.
    #[arg(long, default_value = "Windows 11")]
    pub(crate) os: String,
    /// The release, for example 23H2.
    #[arg(long, default_value = "")]
    pub(crate) release: String,
    /// x64, x86 or arm64.
    #[arg(long, default_value = "x64")]
    pub(crate) architecture: String,
}

/// `haulier package create`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier package create 'Latitude 7440' --source /srv/drivers/7440")]
pub(crate) struct PackageCreate {
    /// The package's name, at most 50 characters.
    pub(crate) name: String,

    /// The source folder as the site server sees it: a local path, or a UNC path mapped in `[shares]`.
    #[arg(long, value_name = "PATH")]
    pub(crate) source: String,

    /// What it is to the site: a driver package, or a plain package as driver tools keep their archives in.
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t = PackageKind::Driver)]
    pub(crate) kind: PackageKind,

    #[command(flatten)]
    pub(crate) changes: PackageChanges,
}

/// `haulier package set`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier package set PS100001 --priority high --label A07\n\
                        Example: haulier package set PS100001 --source /srv/drivers/7440")]
pub(crate) struct PackageSet {
    /// The package: its ID or exact name.
    pub(crate) package: String,

    /// Another name, at most 50 characters.
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Another source folder as the site server sees it: a local path, or a UNC path mapped in `[shares]`. What is in it
    /// is published as the next version at once; `haulier package validate-source` looks first whether it is the same.
    #[arg(long, value_name = "PATH")]
    pub(crate) source: Option<String>,

    #[command(flatten)]
    pub(crate) changes: PackageChanges,
}

/// The kind of a package.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum PackageKind {
    /// SMS_DriverPackage, which holds drivers of the catalog.
    Driver,
    /// SMS_Package, which holds any files.
    Package,
}

impl PackageKind {
    /// The provider's class.
    pub(crate) fn class(self) -> &'static str {
        match self {
            PackageKind::Driver => "SMS_DriverPackage",
            PackageKind::Package => "SMS_Package",
        }
    }

    /// The kind of an instance of SMS_PackageBaseclass, by its `PackageType`.
    pub(crate) fn of_number(package_type: u64) -> Self {
        match package_type {
            3 => PackageKind::Driver,
            _ => PackageKind::Package,
        }
    }

    /// As people type it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PackageKind::Driver => "driver",
            PackageKind::Package => "package",
        }
    }
}

/// Properties that can be given on creation and changed later.
#[derive(Debug, Args)]
pub(crate) struct PackageChanges {
    /// What the package is for; driver tools read `(Models included:SKU;SKU)` here.
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// The vendor.
    #[arg(long)]
    pub(crate) manufacturer: Option<String>,
    /// The vendor's own version label.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Who is served first: high, normal or low.
    #[arg(long)]
    pub(crate) priority: Option<Priority>,
}

/// A package's priority.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Priority {
    /// Served before others.
    High,
    /// The default.
    Normal,
    /// Served after others.
    Low,
}

impl Priority {
    /// The provider's number: `Priority` of SMS_PackageBaseclass.
    pub(crate) fn number(self) -> u32 {
        match self {
            Priority::High => 1,
            Priority::Normal => 2,
            Priority::Low => 3,
        }
    }

    /// The priority of that number; normal where it is none.
    pub(crate) fn of_number(number: u64) -> Self {
        match number {
            1 => Priority::High,
            3 => Priority::Low,
            _ => Priority::Normal,
        }
    }

    /// As people type it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }
}
