//! Geometry, from pixels to coordinates: the test instrument with known maps must find the known box
//! of every phantom, whatever its shape, sense, depth and character set.

use crate::harness::films::{Film, fixture};
use crate::harness::node::Home;
use crate::orthanc::check;
use std::path::Path;
use std::process::Command;

fn analyze(home: &Home, films: &[&Film], profile: &str) -> std::path::PathBuf {
    let out = home.dir.path().join("out");
    let mut arguments = vec!["analyze", "--out", out.to_str().unwrap(), "--profile", profile];
    arguments.extend(films.iter().map(|f| f.path.to_str().unwrap()));
    let done = home.command(&arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out.join(&films[0].study)
}

#[test]
fn every_phantom_with_a_known_box_is_found_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dicom-fixtures/truth");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "pa_ap")
        .collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    for name in &names {
        let home = Home::new(&[]).synthetic_map();
        let film = fixture(name);
        let results = analyze(&home, &[&film], "compat");
        println!("{name}:");
        check(&film.path, &results, "sr,gsps,sc", Some(name));
    }
}

#[test]
fn two_films_two_regions_one_report() {
    let home = Home::new(&[]).synthetic_map();
    let (pa, ap) = (fixture("pa_ap_1_pa"), fixture("pa_ap_2_ap"));
    let results = analyze(&home, &[&pa, &ap], "compat");
    let sources = home.dir.path().join("sources");
    std::fs::create_dir_all(&sources).unwrap();
    for film in [&pa, &ap] {
        std::fs::copy(&film.path, sources.join(film.path.file_name().unwrap())).unwrap();
    }
    check(&sources, &results, "sr,gsps,sc", Some("pa_ap"));
    let reports = std::fs::read_dir(&results).unwrap();
    let reports = reports.filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().starts_with("sr-")).count();
    assert_eq!(reports, 1);
}

#[test]
fn a_lateral_film_stands_in_the_frontal_films_report() {
    let home = Home::new(&[]).synthetic_map();
    let (pa, lateral) = (fixture("pa_lateral_1_pa"), fixture("pa_lateral_2_lateral"));
    let results = analyze(&home, &[&pa, &lateral], "full");
    let report = std::fs::read(results.join("sr-1.dcm")).unwrap();
    let object = crate::harness::objects::Object::read(&report);
    assert!(object.texts().iter().any(|t| t == &lateral.sop), "the lateral film is listed");
    assert!(object.texts().iter().any(|t| t.to_lowercase().contains("lateral")), "with its reason");
}

#[test]
fn an_invalid_age_is_left_out_and_told() {
    let home = Home::new(&[]).synthetic_map();
    let film = fixture("cr_age_81");
    let out = home.dir.path().join("told");
    let done =
        home.command(&["analyze", "--out", out.to_str().unwrap(), film.path.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("(0010,1010)"), "{told}");
    assert!(!told.contains("81 "), "the value itself stays out: {told}");
}

#[test]
fn the_same_film_gives_the_same_bytes_on_another_day() {
    // Same installation, same revision, same closing time: here the objects of two analyses differ in
    // nothing but the times, so two runs at once must agree to the byte where no time stands.
    let home = Home::new(&[]).synthetic_map();
    let film = fixture("dx_portrait_mono2_14");
    let first = analyze(&home, &[&film], "compat");
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(&first);
    let uid = |name: &std::ffi::OsString| {
        crate::harness::objects::Object::read(&std::fs::read(first.join(name)).unwrap()).sop
    };
    let uids: Vec<_> = before.iter().map(uid).collect();
    let again = analyze(&home, &[&film], "compat");
    assert_eq!(before, names(&again));
    assert_eq!(uids, before.iter().map(uid).collect::<Vec<_>>());
}

#[test]
fn the_checker_of_the_tree_can_fail() {
    let home = Home::new(&[]).synthetic_map();
    let (film, other) = (fixture("dx_portrait_mono2_14"), fixture("cr_age_81"));
    let results = analyze(&home, &[&film], "full");
    let done = Command::new(crate::harness::tools::python())
        .arg(crate::judge::script("judge.py"))
        .args([&other.path, &results])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stdout));
}
