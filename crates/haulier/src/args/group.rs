//! `haulier group`.

use clap::Subcommand;

/// `haulier group`.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the groups of distribution points.
    #[command(after_help = "Example: haulier group list")]
    List,
    /// Show a group, its distribution points and its packages.
    #[command(after_help = "Example: haulier group show Branches")]
    Show {
        /// The group: its name or GroupID.
        group: String,
    },
    /// Make a group and print its GroupID.
    #[command(after_help = "Example: haulier group create Branches --description 'All branch offices'")]
    Create {
        /// Its name, unlike every other group's.
        name: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// Rename or describe a group.
    #[command(after_help = "Example: haulier group set Branches --name 'Branch offices'")]
    Set {
        /// The group: its name or GroupID.
        group: String,
        /// The new name.
        #[arg(long, required_unless_present = "description")]
        name: Option<String>,
        /// The new description.
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete a group; its distribution points keep what they hold.
    #[command(after_help = "Example: haulier group delete Branches")]
    Delete {
        /// The group: its name or GroupID.
        group: String,
    },
    /// Let distribution points join a group; the group's packages are sent to them.
    #[command(after_help = "Example: haulier group add-dp Branches dp1.example.test dp2.example.test")]
    AddDp {
        /// The group: its name or GroupID.
        group: String,
        /// The distribution points' names.
        #[arg(required = true)]
        distribution_points: Vec<String>,
        /// Send them nothing now; `haulier group refresh` does later.
        #[arg(long)]
        no_packages: bool,
    },
    /// Let distribution points leave a group; they keep what they hold.
    #[command(after_help = "Example: haulier group remove-dp Branches dp2.example.test")]
    RemoveDp {
        /// The group: its name or GroupID.
        group: String,
        /// The distribution points' names.
        #[arg(required = true)]
        distribution_points: Vec<String>,
        /// Remove the group's packages from them, except what another of their groups wants.
        #[arg(long)]
        with_packages: bool,
    },
    /// Send packages to every distribution point of a group, and to those that join later.
    #[command(after_help = "Example: haulier group add-package Branches PS100001 PS100002")]
    AddPackage {
        /// The group: its name or GroupID.
        group: String,
        /// The packages: IDs or exact names.
        #[arg(required = true)]
        packages: Vec<String>,
    },
    /// Take packages from a group and its distribution points, except where another group wants them.
    #[command(after_help = "Example: haulier group remove-package Branches PS100001")]
    RemovePackage {
        /// The group: its name or GroupID.
        group: String,
        /// The packages: IDs or exact names.
        #[arg(required = true)]
        packages: Vec<String>,
        /// Leave them on the distribution points.
        #[arg(long)]
        keep_on_dps: bool,
    },
    /// Check packages on every distribution point of a group and fetch what is damaged or missing, at the same version.
    #[command(after_help = "Example: haulier group redistribute Branches PS100001")]
    Redistribute {
        /// The group: its name or GroupID.
        group: String,
        /// The packages: IDs or exact names.
        #[arg(required = true)]
        packages: Vec<String>,
    },
    /// Send a group's packages where they are missing, and try again at once where they failed.
    #[command(after_help = "Example: haulier group refresh Branches")]
    Refresh {
        /// The group: its name or GroupID.
        group: String,
    },
}
