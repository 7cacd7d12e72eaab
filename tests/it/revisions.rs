//! Late films: a frontal one makes a revision that names its predecessor, a lateral one makes none.

use crate::harness::films::{fixture, write};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Peer};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::until;
use centinela_phantom::{View, collection};

#[test]
fn a_late_frontal_film_gives_a_revision_that_names_its_predecessor() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]);
    let node = home.start();
    let (first, late) = (fixture("pa_ap_1_pa"), fixture("pa_ap_2_ap"));
    must_push(node.dicom, &first);
    node.settled(&first.study, 1);
    let report = |revision: usize| {
        let study = node.study(&first.study).unwrap();
        let results = study["results"].as_array().unwrap().clone();
        let row = results.iter().find(|r| r["kind"] == "sr" && r["revision"] == revision).unwrap().clone();
        row["sop_instance"].as_str().unwrap().to_owned()
    };
    let one = report(1);
    must_push(node.dicom, &late);
    node.settled(&first.study, 2);
    let two = report(2);
    let shelf = pacs.shelf();
    let (one, two) = (Object::read(&shelf[&one][0].1), Object::read(&shelf[&two][0].1));
    assert!(one.predecessors.is_empty());
    assert_eq!(two.predecessors, std::slice::from_ref(&one.sop));
    assert_ne!(one.sop, two.sop);
}

#[test]
fn a_late_lateral_film_is_recorded_and_makes_no_object() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]);
    let node = home.start();
    let (frontal, lateral) = (fixture("pa_lateral_1_pa"), fixture("pa_lateral_2_lateral"));
    must_push(node.dicom, &frontal);
    let before = node.settled(&frontal.study, 1);
    must_push(node.dicom, &lateral);
    until("the lateral film is recorded", || {
        let study = node.study(&frontal.study)?;
        let films = study["instances"].as_array()?;
        films.iter().find(|i| i["sop_instance"] == lateral.sop.as_str() && i["reason"]["code"] == "view").cloned()
    });
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let after = node.settled(&frontal.study, 1);
    assert_eq!(before["results"], after["results"]);
}

#[test]
fn films_within_the_quiet_period_are_one_revision() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "full")]).set("CENTINELA__STUDY__QUIET_PERIOD", "2");
    let node = home.start();
    let mut specs: Vec<_> = collection(1, 320).collect();
    let mut lateral = specs[0].clone();
    lateral.view = View::Lateral;
    lateral.key = "with-lateral".into();
    specs.push(lateral);
    let films: Vec<_> = specs.iter().map(|s| write(home.dir.path(), s)).collect();
    for film in &films {
        must_push(node.dicom, film);
    }
    let study = node.settled(&films[0].study, 1);
    let reports: Vec<_> = study["results"].as_array().unwrap().iter().filter(|r| r["kind"] == "sr").collect();
    assert_eq!(reports.len(), 1, "{study:#}");
}
