//! Urgent studies first: by what the sender says, by what is said of the sender, by the request.

use crate::harness::films::{self, Film};
use crate::harness::modality::push_as;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::tools::{must, python, script};
use crate::harness::until;
use centinela_domain::status::DimseStatus;

fn says(node: &Node<'_>, priority: &str, request: &str, film: &Film) {
    let (port, file) = (node.dicom.to_string(), film.path.to_str().unwrap());
    must(&python(), &[script("urgent.py").to_str().unwrap(), &port, priority, request, file]);
}

#[test]
fn what_is_urgent_is_reported_first() {
    let dir = tempfile::tempdir().unwrap();
    let films = films::studies(dir.path(), 7, 200);
    let pacs = Pacs::start();
    let callers = "[[peer]]\nname = \"er\"\nae_title = \"ER\"\nsends = true\nurgency = \"stat\"\n\
                   [[peer]]\nname = \"archive\"\nae_title = \"OLD\"\nsends = true\nurgency = \"low\"\n";
    let home =
        Home::new(&[Peer::pacs(pacs.port, "research")]).peers_text(callers).set("CENTINELA__ANALYZE__THREADS", "1");
    // All of them wait, the least urgent for the longest.
    let node = home.start_with(&[("CENTINELA__ANALYZE__ENABLED", "false")]);
    let sent =
        |calling: &str, film: &Film| assert_eq!(push_as(calling, node.dicom, film).unwrap(), DimseStatus::SUCCESS);
    sent("OLD", &films[0]);
    says(&node, "2", "-", &films[1]);
    sent("MODALITY", &films[2]);
    says(&node, "0", "ROUTINE", &films[3]);
    sent("ER", &films[4]);
    says(&node, "1", "-", &films[5]);
    says(&node, "0", "STAT", &films[6]);
    let urgency = |film: &Film| node.study(&film.study).unwrap()["study"]["urgency"].as_str().unwrap().to_owned();
    let words: Vec<String> = films.iter().map(urgency).collect();
    assert_eq!(words, ["low", "low", "routine", "routine", "stat", "stat", "stat"]);
    until("all studies are closed", || {
        let closed = |film: &Film| node.study(&film.study).unwrap()["study"]["state"] == "complete";
        films.iter().all(closed).then_some(())
    });
    node.stop();
    let node = home.start();
    let mut order: Vec<(String, usize)> = Vec::new();
    for (n, film) in films.iter().enumerate() {
        let study = node.settled(&film.study, 1);
        order.push((study["results"][0]["created_at"].as_str().unwrap().to_owned(), n));
    }
    order.sort();
    let order: Vec<usize> = order.into_iter().map(|(_, n)| n).collect();
    assert_eq!(order, [4, 5, 6, 2, 3, 0, 1], "by urgency, then by age");
    node.stop();
}
