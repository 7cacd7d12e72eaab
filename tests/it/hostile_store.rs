//! What a DICOMweb store, or who stands in its place, could try on us with its answers, and what could travel with our
//! results: the classes "unbounded allocation or bomb", "path traversal" and "server-side request forgery and injection",
//! one test each. Redirects and addresses in answers through the whole node stand in `ways`.

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::Home;
use crate::harness::until;
use crate::harness::web::Web;
use centinela::config::{Peer, Peers, Way};
use centinela::delivery::folder::{self, Kept};
use centinela::dicomweb::{Fate, Object, Store};
use centinela_domain::status::DimseStatus;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::Digest as _;
use std::io::{Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the store may take in these tests.
const WITHIN: Duration = Duration::from_secs(3);

/// A store that reads one request of each connection, then says what the test wants.
struct Hostile {
    port: u16,
    /// Connections so far.
    calls: Arc<AtomicUsize>,
}

impl Hostile {
    fn saying(say: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let say = Arc::new(say);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let say = Arc::clone(&say);
                std::thread::spawn(move || {
                    let _ = stream.read(&mut [0; 65_536]);
                    // Who is cut off has nothing more to say.
                    let _ = say(&mut stream);
                });
            }
        });
        Self { port, calls }
    }

    fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::saying(move |stream| stream.write_all(&answer))
    }

    /// What becomes of an object that is sent there.
    async fn fate(&self) -> Fate {
        let text = format!(
            "[node]\nae_title = \"A\"\n[[peer]]\nname = \"box\"\ndeliver = \"full\"\nurl = \"http://127.0.0.1:{}/dw\"\n",
            self.port
        );
        let peer: Peer = Peers::parse("peers", &text, &mut Vec::new()).unwrap().peers.remove(0);
        let Way::Stow(base) = peer.way() else { panic!("{peer:?}") };
        let mut store = Store::new(&peer, base, WITHIN, WITHIN).unwrap();
        let object = Object { study: "1.2".into(), instance: "1.2.3".into(), part10: b"DICM".to_vec().into() };
        store.store(&object, 0).await
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// No word of the store's own, and nothing that a terminal or a log would act on.
fn assert_ours(fate: &Fate) {
    let words = match fate {
        Fate::Answered(_) => "",
        Fate::Away(why) | Fate::Later(why, _) | Fate::Misdirected(why) | Fate::Refused(why) => why,
    };
    assert!(words.chars().all(|c| !c.is_control()) && !words.contains("EVIL"), "{words:?}");
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn bomb_an_answer_that_never_ends_is_left_after_a_mebibyte() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let store = Hostile::saying(move |stream| {
        stream.write_all(CHUNKED)?;
        loop {
            stream.write_all(b"1000\r\n")?;
            stream.write_all(&[b' '; 4_096])?;
            stream.write_all(b"\r\n")?;
            count.fetch_add(4_096, Ordering::SeqCst);
        }
    });
    let begin = Instant::now();
    let fate = store.fate().await;
    assert!(matches!(fate, Fate::Later(..)) && begin.elapsed() < WITHIN, "{fate:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What the sockets of both sides hold comes on top.
    let took = sent.load(Ordering::SeqCst);
    assert!(took < 32 << 20, "{took} bytes");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(sent.load(Ordering::SeqCst), took, "the connection is closed");
}

#[tokio::test]
async fn bomb_an_answer_that_claims_a_terabyte_takes_no_memory() {
    let store = Hostile::answering("HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\nx");
    let fate = store.fate().await;
    assert!(matches!(fate, Fate::Later(..)), "{fate:?}");
}

#[tokio::test]
async fn bomb_head_lines_that_never_end_are_no_answer() {
    let store = Hostile::saying(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(b"x-more: 0123456789012345678901234567890123456789\r\n")?;
        }
    });
    let begin = Instant::now();
    let fate = store.fate().await;
    assert!(matches!(fate, Fate::Away(_) | Fate::Later(..)) && begin.elapsed() < WITHIN, "{fate:?}");
    assert_ours(&fate);
}

#[tokio::test]
async fn bomb_a_gzip_answer_is_never_inflated() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..256 {
        packed.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    let head = |status: u16| {
        let kind = "content-type: application/dicom+json\r\ncontent-encoding: gzip\r\n";
        let mut all = format!("HTTP/1.1 {status} X\r\n{kind}content-length: {}\r\n\r\n", packed.len()).into_bytes();
        all.extend(&packed);
        all
    };
    // 200 says that it is stored, whatever stands in the body; 409 without a readable body is tried again.
    for (status, expected) in [(200, DimseStatus::SUCCESS), (409, DimseStatus::PROCESSING_FAILURE)] {
        let begin = Instant::now();
        let fate = Hostile::answering(head(status)).fate().await;
        assert_eq!(fate, Fate::Answered(expected));
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn bomb_json_that_is_nested_without_end_is_not_followed() {
    let body = "[".repeat(1_000_000);
    let answer = |status: u16| format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(Hostile::answering(answer(200)).fate().await, Fate::Answered(DimseStatus::SUCCESS));
    assert_eq!(Hostile::answering(answer(409)).fate().await, Fate::Answered(DimseStatus::PROCESSING_FAILURE));
}

#[tokio::test]
async fn bomb_a_drip_ends_with_the_time_that_an_answer_may_take() {
    let store = Hostile::saying(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let begin = Instant::now();
    let fate = store.fate().await;
    assert!(matches!(fate, Fate::Later(..)), "{fate:?}");
    assert!(begin.elapsed() < 2 * WITHIN, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn injection_chunks_and_lengths_that_lie_are_never_success() {
    for lie in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nEVIL\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551617\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nEVIL\x1b[31m\r\n\r\n",
        "HTTP/1.1 EVIL\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "EVIL\r\n\r\n",
        "\r\n\r\n",
    ] {
        let closing = lie.to_owned();
        let store = Hostile::saying(move |stream| stream.write_all(closing.as_bytes()));
        let fate = store.fate().await;
        assert!(!matches!(fate, Fate::Answered(_) | Fate::Refused(_)), "{lie:?}: {fate:?}");
        assert_ours(&fate);
    }
}

#[tokio::test]
async fn forgery_a_redirect_of_any_kind_to_any_place_is_an_answer_and_no_order() {
    let trap = Web::start();
    let own = format!("http://127.0.0.1:{}/latest/meta-data/", trap.port);
    let relative = format!("//127.0.0.1:{}/", trap.port);
    for place in [
        own.as_str(),
        relative.as_str(),
        "/studies/../../admin",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "gopher://127.0.0.1:25/EVIL",
        "EVIL\x0bEVIL",
    ] {
        for status in [300, 301, 302, 303, 304, 305, 307, 308] {
            let answer = format!(
                "HTTP/1.1 {status} EVIL\r\nlocation: {place}\r\ncontent-location: {own}\r\nrefresh: 0; url={own}\r\n\
                 link: <{own}>; rel=next\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let store = Hostile::answering(answer);
            let fate = store.fate().await;
            // A line that cannot be one ends the answer instead.
            let plain = !place.contains('\x0b');
            let expected = matches!(fate, Fate::Misdirected(_)) || (!plain && matches!(fate, Fate::Away(_)));
            assert!(expected, "{status} {place:?}: {fate:?}");
            assert_ours(&fate);
            assert_eq!(store.calls(), 1, "{status} {place:?}: asked once, and nowhere else");
        }
    }
    assert!(trap.told().is_empty(), "{:?}", trap.told());
}

#[tokio::test]
async fn forgery_a_store_that_wants_another_protocol_or_a_password_gets_neither() {
    let trap = Web::start();
    for head in [
        "401 EVIL\r\nwww-authenticate: Bearer realm=\"http://TRAP/token\"\r\nwww-authenticate: Basic realm=EVIL",
        "407 EVIL\r\nproxy-authenticate: Basic realm=EVIL",
        "101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade",
        "426 Upgrade Required\r\nupgrade: EVIL",
        "200 OK\r\nalt-svc: h2=\"TRAP\"\r\nstrict-transport-security: max-age=1",
    ] {
        let head = head.replace("TRAP", &format!("127.0.0.1:{}", trap.port));
        let store = Hostile::answering(format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
        let fate = store.fate().await;
        assert_eq!(matches!(fate, Fate::Answered(_)), head.starts_with("200"), "{head}: {fate:?}");
        assert_ours(&fate);
        assert_eq!(store.calls(), 1, "{head}");
    }
    assert!(trap.told().is_empty());
}

#[tokio::test]
async fn injection_words_of_a_store_never_reach_a_person_or_a_log() {
    for (status, body) in [
        (400, "\x1b[2JEVIL".to_owned()),
        (503, "EVIL\r\nEVIL".to_owned()),
        (
            409,
            format!(
                "{{\"00081198\":{{\"Value\":[{{\"00081155\":{{\"Value\":[\"1.2.3\"]}},\"00081197\":{{\"Value\":[\"EVIL\"]}},\"00080119\":{{\"Value\":[\"{}\"]}}}}]}}}}",
                "EVIL".repeat(50)
            ),
        ),
        (200, "{\"00081199\":{\"Value\":[{\"00081155\":{\"Value\":[\"EVIL\\u001b[31m\"]}}]}}".to_owned()),
    ] {
        let head = format!("HTTP/1.1 {status} EVIL\r\nretry-after: 99999999999999999999\r\n");
        let answer = format!("{head}content-type: EVIL\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let fate = Hostile::answering(answer).fate().await;
        assert_ours(&fate);
        assert!(!matches!(fate, Fate::Later(_, Some(_))), "a number that is none is no patience: {fate:?}");
    }
}

#[test]
fn forgery_a_proxy_of_the_environment_is_never_asked() {
    let (web, trap) = (Web::start(), Web::start());
    let proxy = format!("http://127.0.0.1:{}", trap.port);
    let mut home = Home::new(&[]).peers_text(&format!(
        "[[peer]]\nname = \"box\"\nurl = \"http://127.0.0.1:{}/dw\"\ndeliver = \"research\"\n",
        web.port
    ));
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        home = home.set(name, &proxy);
    }
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    assert_eq!(web.told().len(), 1);
    assert!(trap.told().is_empty(), "{:?}", trap.told());
}

/// Values that databases, spreadsheets, pages, terminals and multipart readers might act on.
const VALUES: [(dicom_core::Tag, VR, &str); 6] = [
    (tags::PATIENT_NAME, VR::PN, "EVIL'); DROP TABLE study;--"),
    (tags::PATIENT_ID, VR::LO, "=EVIL+cmd|' /C calc'!A0"),
    (tags::ACCESSION_NUMBER, VR::SH, "*)(uid=EVIL"),
    (tags::STUDY_ID, VR::SH, "EVIL${jndi:x}"),
    (tags::STUDY_DESCRIPTION, VR::LO, "<script>EVIL</script>"),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, "EVIL\r\n--boundary--\r\nX: \x1b[31m"),
];

#[test]
fn injection_hostile_values_of_a_film_travel_in_one_part_and_stand_in_no_text() {
    let web = Web::start();
    let home = Home::new(&[]).synthetic_map().peers_text(&format!(
        "[[peer]]\nname = \"box\"\nurl = \"http://127.0.0.1:{}/dw\"\ndeliver = \"compat\"\n",
        web.port
    ));
    let node = home.start();
    let mut object = dicom_object::open_file(&fixture("dx_portrait_mono2_14").path).unwrap();
    for (tag, vr, value) in VALUES {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    let path = home.dir.path().join("hostile.dcm");
    object.write_to_file(&path).unwrap();
    let film = Film::of(&path);
    must_push(node.dicom, &film);
    let study = node.settled(&film.study, 1);
    let told = web.told();
    assert_eq!(told.len(), 3);
    for told in &told {
        assert_eq!(told.head.lines().next(), Some(&*format!("POST /dw/studies/{} HTTP/1.1", film.study)));
        let boundary = told.header("content-type").unwrap().split("boundary=").nth(1).unwrap();
        let mark = format!("--{boundary}");
        assert_eq!(told.body.matches(&mark).count(), 2, "one part: its beginning and its end");
        let ends = told.body.starts_with(&format!("{mark}\r\nContent-Type: application/dicom\r\n\r\n"))
            && told.body.ends_with(&format!("\r\n{mark}--\r\n"));
        assert!(ends && told.body.contains("DICM"), "{boundary}");
        assert!(!told.head.contains("EVIL"), "{}", told.head);
    }
    assert!(told.iter().any(|told| told.body.contains("DROP TABLE")), "the values are in the objects, as they were");
    // Byte for byte what is kept here.
    for result in study["results"].as_array().unwrap() {
        let sop = result["sop_instance"].as_str().unwrap();
        let key = centinela::blob::key("results", &centinela::blob::hex(&sha2::Sha256::digest(sop)), "dcm");
        let kept = std::fs::read(home.data().join("blobs").join(key)).unwrap();
        let kept = String::from_utf8_lossy(&kept).into_owned();
        assert!(told.iter().any(|told| told.body.contains(&kept)), "{sop}");
    }
    let said = [
        study.to_string(),
        node.get("/api/v1/status").to_string(),
        node.get(&format!("/api/v1/studies/{}/chain", film.study)).to_string(),
        node.get("/api/v1/events?limit=500").to_string(),
        node.ask("GET", "/metrics").body,
        String::from_utf8(home.command(&["status"]).output().unwrap().stdout).unwrap(),
        String::from_utf8(home.command(&["status", "--study", &film.study]).output().unwrap().stdout).unwrap(),
        home.logs(),
    ];
    for text in said {
        assert!(!text.contains("EVIL") && !text.contains('\x1b'), "{text}");
    }
}

#[test]
fn path_traversal_by_a_name_that_is_no_uid_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let share = place.path().join("share");
    std::fs::create_dir(&share).unwrap();
    for name in ["../share2", "..", ".", "/etc", "1.2/../../x", "1.2\0", "1.2\r\n", "1..2", "", "1.2 ", "~", "C:"] {
        for (study, instance) in [(name, "1.2"), ("1.2", name)] {
            let kept = folder::keep(&share, study, instance, b"x");
            assert!(matches!(kept, Kept::Later(_)), "{study:?} {instance:?}: {kept:?}");
        }
    }
    let inside = std::fs::read_dir(&share).unwrap().count();
    assert_eq!((inside, std::fs::read_dir(place.path()).unwrap().count()), (0, 1));
}

#[test]
fn path_traversal_by_a_link_that_lies_in_the_share_is_not_followed() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let (share, elsewhere) = (place.path().join("share"), place.path().join("elsewhere"));
    std::fs::create_dir_all(share.join("1.2")).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    let precious = elsewhere.join("precious");
    std::fs::write(&precious, b"precious").unwrap();
    // In the place of the unfinished file, of the file, and of the study's folder.
    symlink(&precious, share.join("1.2/.1.2.3.part")).unwrap();
    assert_eq!(folder::keep(&share, "1.2", "1.2.3", b"x"), Kept::Yes);
    assert_eq!(std::fs::read(share.join("1.2/1.2.3.dcm")).unwrap(), b"x");
    symlink(&precious, share.join("1.2/1.2.4.dcm")).unwrap();
    assert_eq!(folder::keep(&share, "1.2", "1.2.4", b"x"), Kept::Other);
    symlink(&elsewhere, share.join("1.3")).unwrap();
    assert_eq!(folder::keep(&share, "1.3", "1.3.1", b"x"), Kept::Other);
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[test]
fn bomb_a_pipe_in_the_place_of_a_file_holds_up_no_other_study() {
    let share = tempfile::tempdir().unwrap();
    let film = fixture("dx_opacity");
    let words = format!("[[peer]]\nname = \"box\"\nfolder = {:?}\ndeliver = \"research\"\n", share.path());
    let home = Home::new(&[]).peers_text(&words).set("CENTINELA__DELIVERY__ECHO_EVERY", "1");
    let node = home.start();
    must_push(node.dicom, &film);
    let study = node.settled(&film.study, 1);
    let sop = study["results"][0]["sop_instance"].as_str().unwrap().to_owned();
    let file = share.path().join(&film.study).join(format!("{sop}.dcm"));
    assert!(file.exists());
    std::fs::remove_file(&file).unwrap();
    // Whoever reads a pipe waits for somebody who writes.
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let kept = std::thread::spawn({
        let (folder, study) = (share.path().to_owned(), film.study.clone());
        move || folder::keep(&folder, &study, &sop, b"x")
    });
    until("the pipe is looked at and left", || kept.is_finished().then_some(()));
    assert_eq!(kept.join().unwrap(), Kept::Other);
}
