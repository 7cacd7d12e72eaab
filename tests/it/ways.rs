//! Destinations that are no DICOM peers: a DICOMweb store by STOW-RS and a folder. The same outbox, the same
//! promises; and what a store, or who stands in its place, could try on us.

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node};
use crate::harness::tls::Certificates;
use crate::harness::tools::{free_port, python, script};
use crate::harness::until;
use crate::harness::web::Web;
use crate::orthanc::{Orthanc, check};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

/// A home with one destination in these words, asked each second whether it is back.
fn home(words: &str) -> Home {
    let text = format!("[[peer]]\nname = \"box\"\n{words}\n");
    Home::new(&[]).peers_text(&text).synthetic_map().set("CENTINELA__DELIVERY__ECHO_EVERY", "1")
}

fn events(node: &Node<'_>, kind: &str) -> Vec<Value> {
    node.get(&format!("/api/v1/events?kind={kind}"))["events"].as_array().unwrap().clone()
}

/// The cause for which the destination is down.
fn down(node: &Node<'_>) -> Value {
    until("the destination is down", || events(node, "destination_down").pop())["detail"].clone()
}

fn pushed(node: &Node<'_>, name: &str) -> Film {
    let film = fixture(name);
    must_push(node.dicom, &film);
    film
}

/// The stored objects of a study, by SOP Instance UID.
fn built(home: &Home, study: &Value) -> Vec<(String, PathBuf)> {
    let results = study["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let sop = result["sop_instance"].as_str().unwrap().to_owned();
            let digest = centinela::blob::hex(&sha2::Sha256::digest(&sop));
            let blob = home.data().join("blobs").join(centinela::blob::key("results", &digest, "dcm"));
            (sop, blob)
        })
        .collect()
}

/// Every object lies in the folder, byte for byte, and nothing else does.
fn assert_in_folder(home: &Home, folder: &Path, study: &Value, film: &Film) {
    let objects = built(home, study);
    let inside = folder.join(&film.study);
    for (sop, blob) in &objects {
        let file = inside.join(format!("{sop}.dcm"));
        assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(blob).unwrap(), "{}", file.display());
    }
    assert_eq!(std::fs::read_dir(&inside).unwrap().count(), objects.len(), "nothing else");
}

#[test]
fn orthanc_takes_results_by_stow_once_it_is_there() {
    assert!(Path::new(PLUGIN).exists(), "{PLUGIN} is missing: apt-get install -y orthanc-dicomweb");
    let port = free_port();
    let home = home(&format!("url = \"http://127.0.0.1:{port}/dicom-web/\"\ndeliver = \"compat\"\nverify = \"find\""));
    let node = home.start();
    let film = pushed(&node, "dx_portrait_mono2_14");
    assert_eq!(down(&node)["cause"], "connect");
    let orthanc = Orthanc::start_with(json!({ "HttpPort": port, "Plugins": [PLUGIN] }));
    let study = node.settled(&film.study, 1);
    let deliveries = study["deliveries"].as_array().unwrap();
    assert!(deliveries.len() == 3 && deliveries.iter().all(|d| d["last_status"] == "0x0000"), "{deliveries:#?}");
    assert_eq!(events(&node, "destination_back").len(), 1);
    let out = home.dir.path().join("results");
    assert_eq!(orthanc.fetch(&out, &[&film]), 3);
    check(&film.path, &out, "sr,gsps,sc", Some("dx_portrait_mono2_14"));
    until("every result was found there", || {
        let chain = node.get(&format!("/api/v1/studies/{}/chain", film.study));
        let found = chain["results"].as_array()?.iter().filter(|result| result["found_at"].is_string()).count();
        (found == 3).then_some(())
    });
    assert_eq!(events(&node, "proof_looked")[0]["detail"]["again"], 0);
    // Once more by hand: the store has one of each.
    let id = deliveries[0]["id"].as_str().unwrap();
    assert_eq!(node.ask("POST", &format!("/api/v1/deliveries/{id}/retry")).status, 409, "it has arrived");
    let peer = node.get("/api/v1/peers")["peers"][1].clone();
    assert_eq!((&peer["ae_title"], &peer["deliveries"]), (&Value::Null, &json!({ "accepted": 3 })));
    assert_eq!(peer["url"], format!("http://127.0.0.1:{port}/dicom-web"));
}

#[test]
fn what_a_store_took_and_does_not_list_is_sent_again() {
    let web = Web::start();
    let home = home(&format!("url = \"http://127.0.0.1:{}/dw\"\ndeliver = \"research\"\nverify = \"find\"", web.port));
    let node = home.start();
    // It answers every query with an error: nothing is known, so nothing is sent again.
    let film = fixture("dx_opacity");
    let sop = {
        must_push(node.dicom, &film);
        until("the report is built", || {
            Some(node.study(&film.study)?["results"][0]["sop_instance"].as_str()?.to_owned())
        })
    };
    let (stow, query) = (format!("/dw/studies/{}", film.study), format!("instances?SOPInstanceUID={sop}"));
    let page = |body: &str| web.page(&format!("{stow}/{query}"), 200, "content-type: application/dicom+json\r\n", body);
    let count = |method: &str| web.told().iter().filter(|told| told.head.starts_with(method)).count();
    until("the answer to a query cannot be read", || {
        let chain = node.get(&format!("/api/v1/studies/{}/chain", film.study));
        let error = chain["proofs"][0]["last_error"].as_str()?.to_owned();
        error.contains("box: the store answered a query with something else than a list").then_some(())
    });
    assert_eq!(count("POST"), 1, "{:?}", web.told());
    // It lists nothing: the report is lost there.
    page("[]");
    until("the report is sent again", || (count("POST") == 2).then_some(()));
    page(&json!([{ "00080018": { "vr": "UI", "Value": [sop] } }]).to_string());
    until("the report was found", || {
        let chain = node.get(&format!("/api/v1/studies/{}/chain", film.study));
        chain["results"][0]["found_at"].is_string().then_some(())
    });
    let looked: Vec<_> = events(&node, "proof_looked").iter().map(|e| e["detail"]["again"].clone()).collect();
    assert_eq!((looked, count("POST")), (vec![json!(0), json!(1)], 2));
}

#[test]
fn a_folder_gets_whole_files_once_its_share_is_mounted() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("share");
    let home = home(&format!("folder = {folder:?}\ndeliver = \"compat\""));
    let node = home.start();
    let film = pushed(&node, "dx_portrait_mono2_14");
    let why = down(&node);
    assert_eq!(why["cause"], "folder");
    assert!(why["error"].as_str().unwrap().contains("is its share mounted"), "{why}");
    assert!(!folder.exists(), "a mount point that is not mounted is never written to");
    // A file of somebody else under the name of a result stays as it is, and the result is shown as refused.
    let other = pushed(&node, "dx_opacity");
    let sop = until("the other study has its report", || {
        let study = node.study(&other.study)?;
        Some(study["deliveries"].get(0)?["result"].as_str()?.to_owned())
    });
    let made = place.path().join("made");
    let foreign = made.join(&other.study).join(format!("{sop}.dcm"));
    std::fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    std::fs::write(&foreign, b"of somebody else").unwrap();
    std::fs::rename(&made, &folder).unwrap();

    let study = node.settled(&film.study, 1);
    assert_in_folder(&home, &folder, &study, &film);
    let refused = until("the other report is refused", || {
        let study = node.study(&other.study)?;
        study["deliveries"].as_array()?.iter().find(|d| d["state"] == "refused").cloned()
    });
    assert!(refused["last_error"].as_str().unwrap().contains("another file, or a link, has its name"), "{refused:#}");
    let foreign = folder.join(&other.study).join(format!("{sop}.dcm"));
    assert_eq!(std::fs::read(&foreign).unwrap(), b"of somebody else");
}

#[test]
fn killed_after_a_file_was_written_the_folder_has_it_once() {
    for name in ["delivery.claimed", "delivery.sent", "delivery.recorded"] {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&format!("folder = {:?}\ndeliver = \"full\"", folder.path()));
        let node = home.start_with(&[("CENTINELA_FAILPOINT", name)]);
        let film = pushed(&node, "dx_portrait_mono2_14");
        assert!(!node.wait().success(), "{name}");
        let node = home.start();
        let study = node.settled(&film.study, 1);
        assert_in_folder(&home, folder.path(), &study, &film);
    }
}

#[test]
fn a_token_that_is_wrong_blames_no_object_and_a_new_one_is_read_from_its_file() {
    let web = Web::start();
    web.answer(401);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("token");
    std::fs::write(&file, "old-token\n").unwrap();
    let words =
        format!("url = \"http://127.0.0.1:{}/dw\"\ntoken = {{ file = {file:?} }}\ndeliver = \"full\"", web.port);
    let home = home(&words);
    let node = home.start();
    let film = pushed(&node, "dx_portrait_mono2_14");
    let why = down(&node);
    assert_eq!(why["cause"], "misdirected", "{why}");
    assert!(why["error"].as_str().unwrap().contains("answered 401"), "{why}");
    std::fs::write(&file, "new-token\n").unwrap();
    until("the new token is shown", || {
        let told = web.told();
        told.last().filter(|told| told.header("authorization") == Some("Bearer new-token")).map(|_| ())
    });
    web.answer(200);
    let study = node.settled(&film.study, 1);
    let sent = web.told();
    assert_eq!(sent[0].header("authorization"), Some("Bearer old-token"));
    let head = sent.last().unwrap().head.lines().next().unwrap().to_owned();
    assert_eq!(head, format!("POST /dw/studies/{} HTTP/1.1", film.study));
    assert!(study["deliveries"].as_array().unwrap().iter().all(|d| d["state"] == "accepted"));
    for secret in ["old-token", "new-token"] {
        assert!(!home.logs().contains(secret), "{secret} is in the log");
    }
}

#[test]
fn oauth_asks_for_a_token_and_for_another_when_the_store_does_not_take_it_any_more() {
    let (web, issuer) = (Web::start(), Web::start());
    let token = |name: &str| json!({ "access_token": name, "token_type": "Bearer", "expires_in": 3600 }).to_string();
    issuer.page("/token", 200, "", &token("first"));
    let words = format!(
        "url = \"http://127.0.0.1:{}/dw\"\ndeliver = \"research\"\n\
         oauth = {{ url = \"http://127.0.0.1:{}/token\", client_id = \"node\", secret = {{ env = \"THE_SECRET\" }}, scope = \"store\" }}",
        web.port, issuer.port
    );
    let home = home(&words).set("THE_SECRET", "hush-hush");
    let node = home.start();
    let film = pushed(&node, "dx_portrait_mono2_14");
    node.settled(&film.study, 1);
    assert_eq!(web.told()[0].header("authorization"), Some("Bearer first"));
    let asked = issuer.told();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=store");
    assert_eq!(asked[0].header("authorization"), Some("Basic bm9kZTpodXNoLWh1c2g="), "node:hush-hush");
    issuer.page("/token", 200, "", &token("second"));
    web.page(&format!("/dw/studies/{}", fixture("dx_opacity").study), 401, "", "");
    let next = pushed(&node, "dx_opacity");
    until("the second token is shown", || {
        web.told().iter().any(|told| told.header("authorization") == Some("Bearer second")).then_some(())
    });
    web.page(&format!("/dw/studies/{}", next.study), 200, "", "");
    node.settled(&next.study, 1);
    for secret in ["hush-hush", "first", "Bearer"] {
        assert!(!home.logs().contains(&format!("{secret}\"")), "{secret} is in the log");
    }
}

#[test]
fn a_store_that_wants_a_certificate_gets_ours() {
    let certificates = Certificates::make();
    let mut store = Command::new(python())
        .arg(script("https_store.py"))
        .args([certificates.path("ca.pem"), certificates.path("node2.pem"), certificates.path("node2.key")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(store.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap();
    let tls = |own: &str| {
        format!(
            "url = \"https://127.0.0.1:{port}/dw\"\ndeliver = \"research\"\ntls = {{ ca = {:?}{own} }}",
            certificates.path("ca.pem")
        )
    };
    // Without a certificate of ours nothing is lost.
    let film = fixture("dx_opacity");
    let bare = home(&tls(""));
    let node = bare.start();
    must_push(node.dicom, &film);
    assert_eq!(down(&node)["cause"], "connect");
    drop(node);
    let own = format!(", certificate = {:?}, key = {:?}", certificates.path("node.pem"), certificates.path("node.key"));
    let home = home(&tls(&own));
    let node = home.start();
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    line.clear();
    output.read_line(&mut line).unwrap();
    let call: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(call["path"], format!("/dw/studies/{}", film.study));
    assert_eq!(call["caller"], "node");
    drop(store.stdin.take());
    assert!(store.wait().unwrap().success());
}

#[test]
fn no_redirect_is_followed_and_no_address_in_an_answer_is_called() {
    let (web, trap) = (Web::start(), Web::start());
    let film = fixture("dx_opacity");
    let path = format!("/dw/studies/{}", film.study);
    let elsewhere = format!("http://127.0.0.1:{}/stolen", trap.port);
    web.page(&path, 307, &format!("location: {elsewhere}\r\n"), "");
    let home = home(&format!("url = \"http://127.0.0.1:{}/dw\"\ndeliver = \"research\"", web.port));
    let node = home.start();
    must_push(node.dicom, &film);
    let why = down(&node);
    assert!(why["error"].as_str().unwrap().contains("a redirect, which is never followed"), "{why}");
    let sop = node.study(&film.study).unwrap()["results"][0]["sop_instance"].as_str().unwrap().to_owned();
    let link = |tag: &str| json!({ tag: { "vr": "UR", "Value": [elsewhere] } });
    let mut item =
        json!({ "00081155": { "vr": "UI", "Value": [sop] }, "7FE00010": { "vr": "OW", "BulkDataURI": elsewhere } });
    item.as_object_mut().unwrap().extend(link("00081190").as_object().unwrap().clone());
    let mut body = link("00081190");
    body["00081199"] = json!({ "vr": "SQ", "Value": [item] });
    web.page(&path, 200, "content-type: application/dicom+json\r\n", &body.to_string());
    node.settled(&film.study, 1);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(trap.told().is_empty(), "{:?}", trap.told());
}

#[test]
fn entries_that_would_tell_in_the_clear_or_cannot_work_are_refused() {
    let entry = |name: &str, words: &str| format!("[[peer]]\nname = \"{name}\"\n{words}\n");
    let text = [
        entry("clear", "url = \"http://pacs.example/dw\"\ntoken = { value = \"abc\" }\ndeliver = \"full\""),
        entry("nobody", "url = \"https://pacs.example/dw\"\ndeliver = \"full\""),
        entry("user", "url = \"http://me:pass@pacs.example/dw\"\ndeliver = \"full\""),
        entry("file", "url = \"file:///etc/passwd\"\ndeliver = \"full\""),
        entry("both", "url = \"http://127.0.0.1/dw\"\nfolder = \"/srv\"\ndeliver = \"full\""),
        entry("half", "folder = \"results\"\ndeliver = \"full\""),
        entry("auto", "folder = \"/srv\"\ndeliver = \"auto\""),
        entry("missing", "url = \"http://127.0.0.1/dw\"\ntoken = { file = \"/nowhere/token\" }\ndeliver = \"full\""),
        entry("twice", "url = \"http://127.0.0.1/dw\"\ntoken = { value = \"a\", env = \"B\" }\ndeliver = \"full\""),
        entry("lines", "url = \"http://127.0.0.1/dw\"\ntoken = { value = \"a\\r\\nHost: b\" }\ndeliver = \"full\""),
        entry("proof", "folder = \"/srv\"\nverify = \"find\"\ndeliver = \"full\""),
        entry("promise", "url = \"http://127.0.0.1/dw\"\ncommitment = \"require\"\ndeliver = \"full\""),
        entry("untitled", "host = \"pacs.example\"\nport = 104\ndeliver = \"full\""),
    ];
    let out = Home::new(&[]).peers_text(&text.concat()).command(&["config", "check"]).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    for words in [
        "\"clear\": http:// would send token or secret in the clear",
        "\"nobody\": https needs tls",
        "a user or password does not belong in it",
        "\"file:///etc/passwd\" is no address to call",
        "\"both\": results go to its url or into its folder",
        "\"half\": write its folder whole",
        "\"auto\": deliver = \"auto\" asks by DICOM",
        "\"missing\": token or secret: /nowhere/token cannot be read",
        "\"twice\": token or secret: give exactly one",
        "\"lines\": token or secret: it is empty, or has characters",
        "\"proof\": verify looks in a PACS or a DICOMweb store",
        "\"promise\": commitment asks by DICOM",
        "\"untitled\": it speaks DICOM, so it needs its ae_title",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("pass@") && !said.contains("me:pass"), "{said}");
}
