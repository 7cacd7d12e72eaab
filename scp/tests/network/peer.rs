//! A scripted peer: bytes of its own, not made by the code under test (PS3.8 section 9.3).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const VERIFICATION: &str = "1.2.840.10008.1.1";
pub const CR: &str = "1.2.840.10008.5.1.4.1.1.1";
pub const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

/// No answer may take longer; a test that waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Peer(pub TcpStream);

/// What the node says.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Peer {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// An open association: context 1 is CR explicit, 3 is DX JPEG 2000, 5 is Verification.
    pub async fn associated(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address).await;
        peer.send(&Request::usual().encode()).await;
        let said = peer.hear().await;
        assert_eq!(said.kind, 2, "{said:?}");
        peer
    }

    /// The node may close in between, so a failed write is no failure of the test.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the node does not read");
    }

    pub async fn hear(&mut self) -> Said {
        timeout(PATIENCE, async {
            let mut head = [0; 6];
            self.0.read_exact(&mut head).await.expect("the node closed without a word");
            let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
            let mut body = vec![0; length as usize];
            self.0.read_exact(&mut body).await.unwrap();
            Said { kind: head[0], body }
        })
        .await
        .expect("the node says nothing")
    }

    /// A-ABORT with this source and reason, then the end of the connection.
    pub async fn hear_abort(&mut self, source: u8, reason: u8) {
        let said = self.hear().await;
        assert_eq!(said, Said { kind: 7, body: vec![0, 0, source, reason] });
        self.hear_end().await;
    }

    /// A-ASSOCIATE-RJ with this result, source and reason.
    pub async fn hear_reject(&mut self, result: u8, source: u8, reason: u8) {
        let said = self.hear().await;
        assert_eq!(said, Said { kind: 3, body: vec![0, result, source, reason] });
    }

    pub async fn hear_end(&mut self) {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("not closed").ok();
        assert_eq!(rest, b"", "something after the last word");
    }

    /// A response in one PDU: its Message ID Being Responded To and its status.
    pub async fn hear_response(&mut self) -> (u16, u16) {
        let number = |value: Option<&Vec<u8>>| value.map(|v| u16::from_le_bytes([v[0], v[1]]));
        let set = self.hear_command().await;
        (number(set.get(&0x0120)).unwrap(), number(set.get(&0x0900)).unwrap())
    }

    /// A command set in one PDU: its elements.
    pub async fn hear_command(&mut self) -> BTreeMap<u16, Vec<u8>> {
        let said = self.hear().await;
        assert_eq!((said.kind, said.body[5]), (4, 3), "a whole command set: {said:?}");
        let (mut set, mut rest) = (BTreeMap::new(), &said.body[6..]);
        while !rest.is_empty() {
            let element = u16::from_le_bytes([rest[2], rest[3]]);
            let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
            set.insert(element, rest[8..8 + length].to_vec());
            rest = &rest[8 + length..];
        }
        set
    }

    /// Stores on context 1 and gives the status.
    pub async fn store(&mut self, id: u16, data: &[u8]) -> u16 {
        self.send(&p_data(&[pdv(1, 3, &store(id, CR, "1.2.3"))])).await;
        self.send(&p_data(&[pdv(1, 2, data)])).await;
        let (responded, status) = self.hear_response().await;
        assert_eq!(responded, id);
        status
    }
}

/// An A-ASSOCIATE-RQ in the making.
pub struct Request {
    pub version: u16,
    pub called: &'static str,
    pub calling: &'static str,
    pub application_context: &'static str,
    pub contexts: Vec<(u8, &'static str, Vec<&'static str>)>,
    pub max_length: u32,
    /// Role selection: class, SCU, SCP.
    pub roles: Vec<(&'static str, u8, u8)>,
}

impl Request {
    pub fn usual() -> Self {
        Self {
            version: 1,
            called: "NODE",
            calling: "PEER",
            application_context: "1.2.840.10008.3.1.1.1",
            contexts: vec![
                (1, CR, vec![EXPLICIT, IMPLICIT]),
                (3, DX, vec![JPEG_2000]),
                (5, VERIFICATION, vec![IMPLICIT]),
            ],
            max_length: 16384,
            roles: Vec::new(),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(format!("{:<16}{:<16}", self.called, self.calling).as_bytes());
        body.extend_from_slice(&[0; 32]);
        body.extend(item(0x10, self.application_context.as_bytes()));
        for (id, class, syntaxes) in &self.contexts {
            let mut context = vec![*id, 0, 0, 0];
            context.extend(item(0x30, class.as_bytes()));
            for syntax in syntaxes {
                context.extend(item(0x40, syntax.as_bytes()));
            }
            body.extend(item(0x20, &context));
        }
        let mut user = item(0x51, &self.max_length.to_be_bytes());
        user.extend(item(0x52, b"1.2.3.4"));
        for (class, scu, scp) in &self.roles {
            let length = u16::try_from(class.len()).unwrap().to_be_bytes();
            user.extend(item(0x54, &[length.as_slice(), class.as_bytes(), &[*scu, *scp]].concat()));
        }
        user.extend(item(0x55, b"SCRIPTED"));
        body.extend(item(0x50, &user));
        pdu(1, &body)
    }
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0], length.as_slice(), body].concat()
}

pub fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0], length.as_slice(), body].concat()
}

/// Control: 1 command, 2 last.
pub fn pdv(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() + 2).unwrap().to_be_bytes();
    [length.as_slice(), &[context, control], bytes].concat()
}

pub fn p_data(values: &[Vec<u8>]) -> Vec<u8> {
    pdu(4, &values.concat())
}

pub fn release() -> Vec<u8> {
    pdu(5, &[0; 4])
}

/// A command set of these elements, with its group length.
pub fn command(elements: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (element, value) in elements {
        let mut value = value.to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&element.to_le_bytes());
        body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
        body.extend(value);
    }
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [b"\0\0\0\0\x04\0\0\0".as_slice(), &length, &body].concat()
}

/// A request with a data set (`0x0001`) or without (`0x0101`).
pub fn request(field: u16, id: u16, data_set: u16) -> Vec<u8> {
    command(&[(0x0100, &field.to_le_bytes()), (0x0110, &id.to_le_bytes()), (0x0800, &data_set.to_le_bytes())])
}

/// C-STORE-RQ of high priority.
pub fn store(id: u16, class: &str, instance: &str) -> Vec<u8> {
    command(&[
        (0x0002, class.as_bytes()),
        (0x0100, &[1, 0]),
        (0x0110, &id.to_le_bytes()),
        (0x0700, &[1, 0]),
        (0x0800, &[0, 0]),
        (0x1000, instance.as_bytes()),
    ])
}
