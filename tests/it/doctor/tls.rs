//! TLS on one side only, and certificates that do not fit.

use super::{check, doctor, report};
use crate::harness::dcmtk::{GSPS, SR_3D, StoreScp};
use crate::harness::node::Home;
use crate::harness::tls::Certificates;

/// storescp by TLS with a certificate of this name; `clients`: it wants certificates of its callers.
fn secure(certificates: &Certificates, name: &str, clients: bool) -> StoreScp {
    let mut options = vec!["+tls".to_owned(), certificates.path(&format!("{name}.key"))];
    options.extend([certificates.path(&format!("{name}.pem")), "+cf".to_owned(), certificates.path("ca.pem")]);
    options.push(if clients { "-rc" } else { "-ic" }.to_owned());
    StoreScp::start(&[SR_3D, GSPS], &["LittleEndianExplicit"], &options)
}

fn home(port: u16, tls: &str) -> Home {
    let peer = "[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\ndeliver = \"full\"\n";
    Home::new(&[]).peers_text(&format!("{peer}port = {port}\n{tls}\n"))
}

#[test]
fn tls_is_spoken_on_one_side_only() {
    let certificates = Certificates::make();
    let pacs = secure(&certificates, "node", false);
    let said = doctor(&home(pacs.port, ""), &["pacs"]);
    said.ends(1).has(&["speaks TLS, and we call it plainly", "add tls = { ca = \"FILE\" } to peer \"pacs\""]);
    said.line("[!!]", "TLS");
    let trusting = format!("tls = {{ ca = {:?} }}", certificates.path("ca.pem"));
    let said = doctor(&home(pacs.port, &trusting), &["pacs"]);
    said.ends(0).has(&["the handshake succeeded", "by TLS"]);
    let plain = StoreScp::taking(&[SR_3D, GSPS]);
    let home = home(plain.port, &trusting);
    let said = doctor(&home, &["pacs", "--timeout", "3"]);
    said.ends(1).has(&["speaks DICOM without TLS, and we call it by TLS", "remove tls from peer \"pacs\""]);
    assert_eq!(check(&report(&home, &["pacs", "--timeout", "3"]), "TLS")["cause"], "plain_expected");
}

#[test]
fn certificates_that_do_not_fit() {
    let certificates = Certificates::make();
    let pacs = secure(&certificates, "node", false);
    let stranger = format!("tls = {{ ca = {:?} }}", certificates.path("stranger.pem"));
    let said = doctor(&home(pacs.port, &stranger), &["pacs"]);
    said.ends(1).has(&["no trusted authority signed its certificate", "let ca in tls of peer \"pacs\""]);
    let elsewhere = secure(&certificates, "elsewhere", false);
    let trusting = format!("tls = {{ ca = {:?} }}", certificates.path("ca.pem"));
    let said = doctor(&home(elsewhere.port, &trusting), &["pacs"]);
    said.ends(1).has(&["not made for this host name", "server_name in tls of peer \"pacs\""]);
    let named = format!("tls = {{ ca = {:?}, server_name = \"elsewhere.example\" }}", certificates.path("ca.pem"));
    doctor(&home(elsewhere.port, &named), &["pacs"]).ends(0);
    let expired = secure(&certificates, "expired", false);
    let named = format!("tls = {{ ca = {:?}, server_name = \"expired.example\" }}", certificates.path("ca.pem"));
    let said = doctor(&home(expired.port, &named), &["pacs"]);
    said.ends(1).has(&["its certificate has expired", "renewed"]);
}

#[test]
fn the_peer_wants_a_certificate_of_ours() {
    let certificates = Certificates::make();
    let pacs = secure(&certificates, "node", true);
    let ca = certificates.path("ca.pem");
    let said = doctor(&home(pacs.port, &format!("tls = {{ ca = {ca:?} }}")), &["pacs"]);
    said.ends(1).has(&["name certificate and key in tls of peer \"pacs\""]);
    said.line("[!!]", "TLS");
    let (certificate, key) = (certificates.path("CR1.pem"), certificates.path("CR1.key"));
    let own = format!("tls = {{ ca = {ca:?}, certificate = {certificate:?}, key = {key:?} }}");
    doctor(&home(pacs.port, &own), &["pacs"]).ends(0);
}

#[test]
fn the_entry_names_the_secure_port_for_a_peer_that_is_called_by_tls() {
    let certificates = Certificates::make();
    let pacs = secure(&certificates, "node", false);
    let trusting = format!("tls = {{ ca = {:?} }}", certificates.path("ca.pem"));
    let peer = "[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\ndeliver = \"full\"\n";
    let home = certificates.home(&[]).set("CENTINELA__TLS__PORT", "2762");
    let home = home.peers_text(&format!("{peer}port = {}\n{trusting}\n", pacs.port));
    doctor(&home, &["pacs"]).ends(0).has(&["port 2762   TLS yes", "\"UseDicomTls\": true"]);
}
