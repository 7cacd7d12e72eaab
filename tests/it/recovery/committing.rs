//! T29, storage commitment as SCU: the report comes on the same or a new association, late, after our death, about
//! part of what was asked for, about what nobody asked for, or never.

use super::oracle::rows;
use super::scene::{End, Modality, home, play};
use crate::harness::node::{Node, Peer};
use crate::harness::peer::Scripted;
use crate::harness::tools::{must, python, script};
use crate::harness::{until, until_within};
use centinela::failpoint;
use serde_json::{Value, json};
use std::time::Duration;

/// What becomes of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    SameAssociation,
    NewAssociation,
    /// It says of some, or of all, that they are not kept.
    Failures(&'static str),
    Never,
    /// Never, and what was stored is lost.
    NeverAndLost,
    /// It comes to the process after the one that asked.
    AfterRestart,
    Unknown,
    /// The request is refused for now.
    NotNow,
    /// We die at a step of it.
    Death(&'static str),
}

const REPORTS: [Report; 12] = [
    Report::Failures("half"),
    Report::SameAssociation,
    Report::NewAssociation,
    Report::Never,
    Report::AfterRestart,
    Report::Unknown,
    Report::Failures("none"),
    Report::NeverAndLost,
    Report::NotNow,
    Report::Death(failpoint::PROOF[0]),
    Report::Death(failpoint::PROOF[1]),
    Report::Death(failpoint::PROOF[2]),
];

/// Has the peer report success for a transaction, twice; gives the statuses that the node answered.
fn report_later(node: u16, action: &Value) -> Vec<u64> {
    let arguments = json!({ "node": node, "transaction": action["transaction"], "instances": action["instances"] });
    let text = must(&python(), &[script("report_peer.py").to_str().unwrap(), &arguments.to_string()]);
    serde_json::from_str(text.trim()).unwrap()
}

/// Waits until every result is promised, or found where nobody promises.
fn proven(node: &Node<'_>) {
    let sql = "select state, found_at from delivery where state <> 'committed' and found_at is null \
               union all select state, 0 from study where state in ('receiving', 'complete')";
    until_within(Duration::from_secs(90), "every result is promised or found", || {
        let any = !rows(&node.home.data(), "select id from delivery").is_empty();
        (any && rows(&node.home.data(), sql).is_empty()).then_some(())
    });
}

#[test]
fn t29_the_promise_comes_late_elsewhere_in_part_or_never() {
    play(
        "T29",
        "commitment reported on the same or a new association, in part, late, after our death, or never",
        |case| {
            let kind = REPORTS[(case.seed as usize - 1) % REPORTS.len()];
            let delay = case.pick(0, 2_500) as f64 / 1_000.0;
            case.tell(format!("{kind:?}, after {delay} s"));
            let find = matches!(kind, Report::Never | Report::NeverAndLost);
            let commitment = match kind {
                Report::Failures(part) => json!({ "says": [part, "all"], "delay": delay }),
                Report::Never | Report::NeverAndLost | Report::AfterRestart => json!({ "says": ["never"] }),
                Report::Unknown => json!({ "unknown": true, "delay": delay }),
                Report::NotNow => json!({ "action": 0x0213 }),
                _ => json!({ "delay": delay }),
            };
            let lose = kind == Report::NeverAndLost;
            let mut peers =
                vec![Scripted::start(&json!({ "commitment": commitment.clone(), "find": find, "lose": lose }))];
            let timeout = if find || matches!(kind, Report::Death(_)) { "3" } else { "60" };
            let home = home(&[Peer::pacs(peers[0].port, "compat")])
                // Three reports may come on one association, each later than the one before by the delay.
                .set("CENTINELA__DELIVERY__COMMITMENT_WAIT", if timeout == "3" { "4" } else { "12" })
                .set("CENTINELA__DELIVERY__COMMITMENT_TIMEOUT", timeout);
            let mut modality = Modality::with(case.studies(home.dir.path()));
            let asked = |peers: &[Scripted]| until("it is asked", || peers[0].told("action").into_iter().next());
            let mut node = match kind {
                Report::Death(name) => home.start_with(&[("CENTINELA_FAILPOINT", name)]),
                _ => home.start(),
            };
            if kind == Report::NewAssociation {
                peers[0].change(&json!({ "commitment": { "node": node.dicom, "delay": delay } }));
            }
            if matches!(kind, Report::Death(_)) {
                modality.try_all(node.dicom);
                assert!(!node.wait().success(), "{kind:?} did not fire");
                node = home.start();
            }
            modality.finish(node.dicom);
            match kind {
                Report::AfterRestart => {
                    asked(&peers);
                    // All of them must have been asked for by the process that dies.
                    until("all are waited for", || {
                        let open = "select id from delivery where proof is null \
                                union all select id from proof where state <> 'waiting' \
                                union all select study_uid from study where state in ('receiving', 'complete')";
                        rows(&home.data(), open).is_empty().then_some(())
                    });
                    node.kill();
                    node = home.start();
                    for action in peers[0].told("action") {
                        assert_eq!(
                            report_later(node.dicom, &action),
                            [0, 0],
                            "a report that comes twice is taken twice"
                        );
                    }
                }
                Report::NeverAndLost => {
                    asked(&peers);
                    until("it is looked for", || peers[0].told("find").into_iter().next());
                    peers[0].change(&json!({ "commitment": { "says": ["all"] }, "lose": false }));
                }
                Report::NotNow => {
                    asked(&peers);
                    std::thread::sleep(Duration::from_secs_f64(delay));
                    peers[0].change(&json!({ "commitment": {} }));
                }
                _ => {}
            }
            proven(&node);
            let answers: Vec<Value> = peers[0].told("reported").iter().map(|told| told["status"].clone()).collect();
            let death = matches!(kind, Report::Death(_));
            assert!(death || answers.iter().all(|status| !status.is_null()), "a report without an answer: {answers:?}");
            if kind == Report::Unknown {
                assert!(answers.contains(&json!(0x0115)) && answers.contains(&json!(0)), "{answers:?}");
            }
            case.judge(&node, &modality, &End::at_scripted(&peers));
        },
    );
}
