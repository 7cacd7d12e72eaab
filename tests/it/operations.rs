//! docs/operations.md is run: each block of the page that begins with a comment, in the order of the page, as it
//! stands there, but below a folder of the test, and with stand-ins for systemd and sudo.

use crate::harness::api;
use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::pacs::Pacs;
use crate::harness::tools::{free_port, must};
use crate::harness::until;
use centinela_domain::alert::AlertKind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = include_str!("../../docs/operations.md");

/// Every block that is run, by its first line.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let fenced = PAGE.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    fenced.map(|block| (block.split_once('\n').unwrap().0.strip_prefix("# ").unwrap(), block)).collect()
}

/// A machine in a folder: its root, and the programs that a container lacks.
struct Machine {
    dir: tempfile::TempDir,
    dicom: u16,
    api: u16,
}

const SYSTEMCTL: &str = r#"#!/bin/bash
# Starts and stops the node as the unit does, without systemd.
pidfile=$ROOT/pid
alive() { [[ -e $pidfile && -e /proc/$(cat "$pidfile")/stat ]] && ! grep -q ') Z ' "/proc/$(cat "$pidfile")/stat"; }
case "$*" in
    daemon-reload) ;;
    "enable --now centinela" | "start centinela")
        set -a; . "$ROOT/etc/centinela/environment"; set +a
        "$ROOT/usr/local/bin/centinela" serve --config "$ROOT/etc/centinela/centinela.toml" \
            --peers "$ROOT/etc/centinela/ae-titles.toml" >"$ROOT/journal" 2>&1 </dev/null &
        echo $! >"$pidfile"
        for ((n = 0; n < 1200; n++)); do
            grep -q 'listening.*role="scp"' "$ROOT/journal" && exit 0
            alive || break
            sleep 0.05
        done
        cat "$ROOT/journal" >&2
        exit 1 ;;
    "stop centinela")
        alive || exit 0
        kill -TERM "$(cat "$pidfile")"
        while alive; do sleep 0.05; done ;;
    *) echo "systemctl $*: the test does not know this" >&2; exit 2 ;;
esac
"#;

const SUDO: &str = r#"#!/bin/bash
# sudo -E -u centinela COMMAND: the test has one user.
[[ "$1 $2 $3" == "-E -u centinela" ]] || { echo "sudo $*: the test does not know this" >&2; exit 2; }
exec "${@:4}"
"#;

const CENTINELA: &str = r#"#!/bin/bash
# The installed program finds its files in /etc by itself.
exec "$ROOT/usr/local/bin/centinela" "$@" --config "$ROOT/etc/centinela/centinela.toml" \
    --peers "$ROOT/etc/centinela/ae-titles.toml"
"#;

const TMPFILES: &str = "#!/bin/bash\nmkdir -p \"$ROOT/etc/centinela\" \"$ROOT/var/lib/centinela\"\n";
const NOTHING: &str = "#!/bin/bash\n# Users and owners are the system's.\n";
const JOURNAL: &str = "#!/bin/bash\ncat \"$ROOT/journal\"\n";

impl Machine {
    fn new(pacs: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = Self { dir, dicom: free_port(), api: free_port() };
        let root = machine.dir.path();
        for folder in [
            "bin",
            "etc/systemd/system",
            "usr/local/bin",
            "usr/lib/sysusers.d",
            "usr/lib/tmpfiles.d",
            "clone/target/release",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::os::unix::fs::symlink(tree.join("packaging"), root.join("clone/packaging")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_centinela"), root.join("clone/target/release/centinela")).unwrap();
        for (name, text) in [
            ("systemctl", SYSTEMCTL),
            ("sudo", SUDO),
            ("centinela", CENTINELA),
            ("systemd-tmpfiles", TMPFILES),
            ("systemd-sysusers", NOTHING),
            ("chown", NOTHING),
            ("journalctl", JOURNAL),
        ] {
            let path = root.join("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(root.join("peers"), peers(pacs)).unwrap();
        machine
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn data(&self) -> PathBuf {
        self.root().join("var/lib/centinela")
    }

    /// What the administrator writes into the two files between the blocks.
    fn edit(&self) {
        let etc = self.root().join("etc/centinela");
        assert!(fs::read_to_string(etc.join("ae-titles.toml")).unwrap().contains("[[peer]]"), "the commented example");
        fs::copy(self.root().join("peers"), etc.join("ae-titles.toml")).unwrap();
        let environment = format!(
            "CENTINELA__STORAGE__DATA_DIR={}\nCENTINELA__DICOM__PORT={}\nCENTINELA__API__PORT={}\n\
             CENTINELA__DICOM__BIND=127.0.0.1\nCENTINELA__STUDY__QUIET_PERIOD=0.5\n\
             CENTINELA__STORAGE__MIN_FREE=0\nCENTINELA__STORAGE__LOW_FREE=0\n",
            self.data().display(),
            self.dicom,
            self.api
        );
        fs::write(etc.join("environment"), environment).unwrap();
    }

    /// Runs a block of the page; gives what it printed.
    fn run(&self, name: &str) -> String {
        let (_, block) = blocks().into_iter().find(|(known, _)| *known == name).unwrap();
        let root = self.root().to_str().unwrap();
        let mut text = block.to_owned();
        for place in ["/usr/", "/etc/", "/var/", "/backup"] {
            for before in [" ", "'"] {
                text = text.replace(&format!("{before}{place}"), &format!("{before}{root}{place}"));
            }
        }
        text = text.replace("=/var/", &format!("={root}/var/"));
        text = text.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.api));
        let path = format!("{root}/bin:{}", std::env::var("PATH").unwrap());
        let done = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", &text])
            .env("ROOT", root)
            .env("PATH", path)
            .current_dir(self.root().join("clone"))
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "block {name:?} ended with {}:\n{text}\n{said}", done.status);
        String::from_utf8(done.stdout).unwrap()
    }

    /// One study by the API, settled and delivered.
    fn settled(&self, token: &str, film: &Film) -> Value {
        until("the study is settled and delivered", || {
            let path = format!("/api/v1/studies/{}/chain", film.study);
            let answer = api::request(self.api, "GET", &path, Some(token))?;
            let chain = (answer.status == 200).then(|| answer.json())?;
            (chain["state"] == "analyzed" && chain["missing"].as_array()?.is_empty()).then_some(chain)
        })
    }

    fn knows(&self, token: &str, film: &Film) -> bool {
        let path = format!("/api/v1/studies/{}", film.study);
        api::request(self.api, "GET", &path, Some(token)).unwrap().status == 200
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The node is no child of this process; nothing but it may be stopped.
        if let Ok(pid) = fs::read_to_string(self.root().join("pid")) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).output();
        }
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.root().join("journal")).unwrap_or_default());
        }
    }
}

fn peers(pacs: u16) -> String {
    format!(
        "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"modality\"\nae_title = \"MODALITY\"\nsends = true\n\
         [[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {pacs}\ndeliver = \"full\"\n"
    )
}

/// The objects of a study by UID, with the digests of all copies that the PACS has.
fn objects(chain: &Value, pacs: &Pacs) -> BTreeMap<String, usize> {
    let shelf = pacs.shelf();
    let uids = chain["results"].as_array().unwrap().iter().map(|r| r["sop_instance"].as_str().unwrap().to_owned());
    uids.map(|uid| (uid.clone(), shelf[&uid].len())).collect()
}

#[test]
fn the_page_is_run_from_top_to_bottom() {
    let names: Vec<&str> = blocks().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["install", "start", "token", "disk", "back up", "restore", "upgrade", "way back"]);
    let pacs = Pacs::start();
    let machine = Machine::new(pacs.port);
    let [before, after, late] = ["dx_opacity", "dx_effusion", "cr_pneumothorax"].map(fixture);

    machine.run("install");
    machine.edit();
    machine.run("start");
    let said = machine.run("token");
    assert!(said.contains("\"running\":true"), "{said}");
    let token = token(&machine);
    must_push(machine.dicom, &before);
    let first = machine.settled(&token, &before);
    let kept = objects(&first, &pacs);
    assert!(machine.run("disk").contains("centinela.db"));

    // A backup of the running node; a film that comes after it; then the directory is lost.
    assert!(machine.run("back up").ends_with("ok\n"));
    must_push(machine.dicom, &after);
    let second = objects(&machine.settled(&token, &after), &pacs);
    machine.run("restore");
    assert!(machine.data().with_extension("lost").join("centinela.db").exists());
    assert_eq!(objects(&machine.settled(&token, &before), &pacs), kept, "the same results, and nothing is sent twice");
    assert!(!machine.knows(&token, &after), "what came after the backup is to be pushed again");
    must_push(machine.dicom, &after);
    let again = machine.settled(&token, &after);
    assert!(objects(&again, &pacs).keys().eq(second.keys()), "the same UIDs as before");
    must_push(machine.dicom, &before);
    assert_eq!(objects(&machine.settled(&token, &before), &pacs), kept, "a film of the backup is known: no new work");

    // To the next program, whose database the former one refuses, and back.
    machine.run("upgrade");
    assert!(machine.knows(&token, &after));
    must_push(machine.dicom, &late);
    let third = objects(&machine.settled(&token, &late), &pacs);
    machine.run("way back");
    assert!(!machine.knows(&token, &late), "it came after the copy");
    assert!(machine.knows(&token, &before) && machine.knows(&token, &after));
    must_push(machine.dicom, &late);
    assert!(objects(&machine.settled(&token, &late), &pacs).keys().eq(third.keys()), "the same UIDs as before");
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let home = crate::harness::node::Home::new(&[]);
    home.start().stop();
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'of a newer program', true, x'00', 0)";
    must("sqlite3", &[home.data().join("centinela.db").to_str().unwrap(), newer]);
    let refused = home.command(&["serve", "--dicom-port", "0", "--api-port", "0"]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr));
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("9999"), "it names the migration that it does not know: {said}");
}

/// A token for the test itself.
fn token(machine: &Machine) -> String {
    let made = Command::new(machine.root().join("usr/local/bin/centinela"))
        .args(["token", "create", "--data-dir", machine.data().to_str().unwrap()])
        .output()
        .unwrap();
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_page_says_of_each_alert_what_it_means_and_what_to_do() {
    for kind in AlertKind::ALL {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.as_str())));
        let cells = row.unwrap_or_else(|| panic!("no row for {}", kind.as_str())).matches(" | ").count();
        assert_eq!(cells, 2, "{}: what it means and what to do", kind.as_str());
    }
}
