//! Writes the phantom films: the small fixtures with their truth and table, and the large ones.

use anyhow::Context;
use centinela_phantom::{
    Case, Fixture, Marker, PATIENT_NAMES, Pictures, Spec, Truth, collection, fixtures, manifest, write_dicom,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The committed folder of small fixtures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/dicom-fixtures")
}

/// Every file of the fixture folder, by its path inside it.
fn files() -> BTreeMap<String, Vec<u8>> {
    let all = fixtures();
    let mut files = BTreeMap::new();
    for fixture in &all {
        files.insert(format!("{}.dcm", fixture.name), fixture.bytes());
        let truth = fixture.truth();
        if !truth.is_empty() {
            files.insert(format!("truth/{}.json", fixture.name), json(&truth).into_bytes());
        }
    }
    let both: Vec<Truth> = all.iter().filter(|f| f.name.starts_with("pa_ap_")).flat_map(Fixture::truth).collect();
    files.insert("truth/pa_ap.json".into(), json(&both).into_bytes());
    files.insert("README.md".into(), readme(&all).into_bytes());
    files
}

/// Writes the small fixtures and removes films that are no longer among them.
///
/// # Errors
/// When a file cannot be written or removed.
pub fn write_small(folder: &Path) -> anyhow::Result<()> {
    let files = files();
    for stale in existing(folder)?.iter().filter(|name| !files.contains_key(*name)) {
        let path = folder.join(stale);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    for (name, bytes) in &files {
        write(&folder.join(name), bytes)?;
    }
    let total: usize = files.values().map(Vec::len).sum();
    eprintln!("{} files, {} KB in {}", files.len(), total / 1024, folder.display());
    Ok(())
}

/// The fixtures of the sample pack.
const SAMPLES: [&str; 8] = [
    "cr_portrait_japanese",
    "cr_portrait_mono1_10_latin1",
    "dx_landscape_mono1_12",
    "dx_normal",
    "dx_portrait_mono2_14",
    "lateral_only",
    "pa_ap_1_pa",
    "pa_ap_2_ap",
];

/// Writes the films of the sample pack, `NAME.dcm` and `NAME.json` with its known region.
///
/// # Errors
/// When a file cannot be written.
pub fn write_samples(folder: &Path) -> anyhow::Result<()> {
    for fixture in fixtures().iter().filter(|fixture| SAMPLES.contains(&fixture.name)) {
        let film = fixture.enlarged(5).context("a sample that is no film")?;
        write(&folder.join(format!("{}.dcm", film.name)), &film.bytes())?;
        write(&folder.join(format!("{}.json", film.name)), json(&film.truth()).as_bytes())?;
    }
    Ok(())
}

/// Writes `count` full-size films on all cores.
///
/// # Errors
/// When a file cannot be written.
pub fn write_large(folder: &Path, count: u32, long_side: u16) -> anyhow::Result<()> {
    let specs: Vec<_> = collection(count, long_side).collect();
    on_all_cores(&specs, &|spec| write(&folder.join(format!("{}.dcm", spec.key)), &write_dicom(spec)))?;
    eprintln!("{count} films in {}", folder.display());
    Ok(())
}

/// Writes the films of cases, `NAME/ROLE.dcm`, and their manifest.
///
/// # Errors
/// When a file cannot be written.
pub fn write_cases(folder: &Path, cases: &[Case]) -> anyhow::Result<()> {
    let mut pictures = Pictures::default();
    let mut count = 0;
    for case in cases {
        for (role, film) in case.films().iter().enumerate() {
            let path = folder.join(case.name()).join(format!("{role}.dcm"));
            write(&path, &film.bytes(&mut pictures))?;
            count += 1;
        }
    }
    write(&folder.join("manifest.json"), manifest(cases).as_bytes())?;
    eprintln!("{} studies with {count} films in {}", cases.len(), folder.display());
    Ok(())
}

/// Does something with each specification, on all cores.
pub(crate) fn on_all_cores(specs: &[Spec], act: &(impl Fn(&Spec) -> anyhow::Result<()> + Sync)) -> anyhow::Result<()> {
    let next = AtomicU32::new(0);
    let worker = || -> anyhow::Result<()> {
        while let Some(spec) = specs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            act(spec)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        running.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?)
    })
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Films and truth files that lie in the folder, by their path inside it.
fn existing(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for (inside, ending) in [("", ".dcm"), ("truth/", ".json")] {
        let Ok(entries) = fs::read_dir(folder.join(inside)) else { continue };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(ending) {
                names.push(format!("{inside}{name}"));
            }
        }
    }
    Ok(names)
}

fn json(truth: &[Truth]) -> String {
    let entries: Vec<String> = truth
        .iter()
        .map(|t| {
            let [x0, y0, x1, y1] = t.bounds;
            format!(
                "  {{\"code\": \"{}\", \"box\": [{x0:.1}, {y0:.1}, {x1:.1}, {y1:.1}], \"min_iou\": 0.5, \"sop_instance_uid\": \"{}\"}}",
                t.code, t.sop_instance_uid
            )
        })
        .collect();
    format!("[\n{}\n]\n", entries.join(",\n"))
}

fn readme(all: &[Fixture]) -> String {
    let mut text = String::from(README_HEAD);
    for fixture in all {
        let truth: Vec<String> = fixture
            .truth()
            .iter()
            .map(|t| {
                let [x0, y0, x1, y1] = t.bounds;
                format!("box {x0:.1}, {y0:.1} to {x1:.1}, {y1:.1}")
            })
            .collect();
        let truth = if truth.is_empty() { fixture.expect.to_owned() } else { truth.join("; ") };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {} | {truth} |", fixture.name, fixture.what, fixture.why);
    }
    text.push_str(README_NAMES);
    for name in PATIENT_NAMES {
        let _ = writeln!(text, "- {name}");
    }
    text
}

const README_HEAD: &str = "# Synthetic films

Written by `cargo xtask fixtures`, byte for byte the same on every machine; do not edit by hand.
A test of `xtask` compares this folder with what the generator gives now.
Full-size films come from `cargo xtask fixtures --large DIR --count N`.

Nobody in these films exists. The pictures are a parametric phantom (`phantom/`), not a patient.

`truth/NAME.json` holds the known region of each film that carries the bright test opacity (the
marker): finding code 112001 (DCM, Opacity), box `x0, y0, x1, y1` in pixels of the film with 0,0 at
the top-left corner of the top-left pixel, measured at half height. As displayed the marker is at
0.95 or above, everything else at 0.80 or below, air about 0.05. `truth/pa_ap.json` holds both
boxes of the two-film study.

| File | What | Why | Truth |
|---|---|---|---|
";

const README_NAMES: &str = "
## Patient names

No log may ever hold one of these (`centinela_phantom::PATIENT_NAMES`):

";

/// Writes the film of the README's picture: full size, with the test opacity in the left lung.
pub fn write_marked(file: &Path) -> anyhow::Result<()> {
    let mut spec = collection(1, 2500).next().context("no film")?;
    spec.marker = Some(Marker { centre: (0.715, 0.36), size: (0.16, 0.13) });
    fs::write(file, write_dicom(&spec)).with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
    use super::*;
    use std::sync::OnceLock;

    fn made() -> &'static BTreeMap<String, Vec<u8>> {
        static MADE: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
        MADE.get_or_init(files)
    }

    #[test]
    fn the_committed_fixtures_are_what_the_generator_gives() {
        let want = made();
        let mut names: Vec<String> = want.keys().filter(|n| *n != "README.md").cloned().collect();
        let mut found = existing(&folder()).unwrap();
        names.sort();
        found.sort();
        assert_eq!(found, names, "run `cargo xtask fixtures`");
        for (name, bytes) in want {
            let same = fs::read(folder().join(name)).unwrap() == *bytes;
            assert!(same, "{name} differs: run `cargo xtask fixtures`");
        }
    }

    #[test]
    fn fixtures_stay_small() {
        let files = made();
        let films = files.iter().filter(|(name, _)| name.ends_with(".dcm"));
        assert!(films.clone().all(|(_, bytes)| bytes.len() <= 150 * 1024));
        assert!(files.values().map(Vec::len).sum::<usize>() < 3 * 1024 * 1024);
    }
}
