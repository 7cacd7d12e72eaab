//! Maintenance tasks of the workspace, run as `cargo xtask TASK`.

mod corpus;
mod fixtures;

use centinela_phantom::{covering, product};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Maintenance tasks of the Centinela workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes tests/dicom-fixtures, or with --large a folder of full-size films.
    Fixtures {
        /// Folder for full-size films; the small fixtures are left alone then.
        #[arg(long, value_name = "DIR")]
        large: Option<PathBuf>,
        /// How many studies of one film each (with --large).
        #[arg(long, default_value_t = 10, requires = "large")]
        count: u32,
        /// Long side of a DX film in pixels (with --large).
        #[arg(long, default_value_t = 2500, requires = "large")]
        long_side: u16,
    },
    /// Writes the corpus of the receive benchmark: dx/ (32 films of 10 MB) and ct/ (400 slices of 0.5 MB).
    Corpus {
        /// The folder to write.
        folder: PathBuf,
    },
    /// Writes the covering set of studies, or with --full the whole product: a folder for each with its films,
    /// uncompressed, and manifest.json.
    Covering {
        /// The folder to write.
        folder: PathBuf,
        /// Every combination.
        #[arg(long)]
        full: bool,
        /// Every n-th of them only (with --full).
        #[arg(long, default_value_t = 1, requires = "full")]
        every: usize,
        /// The first of them (with --full).
        #[arg(long, default_value_t = 0, requires = "full")]
        skip: usize,
        /// At most so many (with --full).
        #[arg(long, default_value_t = usize::MAX, requires = "full")]
        most: usize,
    },
    /// Writes the films of the sample pack: some fixtures five times as large, each with its truth.
    Samples {
        /// The folder to write.
        folder: PathBuf,
    },
    /// Writes one full-size film with the test opacity, for the picture of the README.
    Marked {
        /// The file to write.
        file: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Fixtures { large: Some(folder), count, long_side } => fixtures::write_large(&folder, count, long_side),
        Task::Corpus { folder } => corpus::write_corpus(&folder),
        Task::Covering { folder, full: false, .. } => fixtures::write_cases(&folder, &covering()),
        Task::Covering { folder, full: true, every, skip, most } => {
            let cases: Vec<_> = product().into_iter().skip(skip).step_by(every.max(1)).take(most).collect();
            fixtures::write_cases(&folder, &cases)
        }
        Task::Samples { folder } => fixtures::write_samples(&folder),
        Task::Marked { file } => fixtures::write_marked(&file),
        Task::Fixtures { large: None, .. } => fixtures::write_small(&fixtures::folder()),
    }
}
