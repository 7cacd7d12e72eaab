//! The hostile peer: a raw socket from 127.0.0.2 and bytes of its own making (PS3.8 section 9.3).

use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

pub const CR: &str = "1.2.840.10008.5.1.4.1.1.1";
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// The longest that anything may go on: all timers of the node are shorter.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the node ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A-ASSOCIATE-RJ: result, source, reason.
    Rejected(u8, u8, u8),
    /// A-ABORT: source, reason.
    Aborted(u8, u8),
    /// Closed without a word.
    Closed,
}

pub struct Hostile(pub TcpStream);

impl Hostile {
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).unwrap()
    }

    pub fn try_connect(port: u16) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0)))?;
        let node = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        socket.connect_timeout(&SockAddr::from(node), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Contexts: 1 CR explicit, 3 CR deflated, 5 Verification.
    pub fn associated(port: u16) -> Self {
        let mut peer = Self::connect(port);
        peer.say(&request("CENTINELA", "MODALITY", 16_384));
        assert_eq!(peer.hear().map(|(kind, _)| kind), Some(2), "the association is accepted");
        peer
    }

    /// Sends; false if the node has closed.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// The next PDU, or `None` at the end of the connection.
    pub fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 6];
        match self.0.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the node says nothing and goes on"),
            Err(_) => return None,
        }
        let mut body = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
        self.0.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// How it ends; responses before the end are skipped.
    pub fn end(&mut self) -> End {
        let begin = Instant::now();
        while let Some((kind, body)) = self.hear() {
            match kind {
                3 => return End::Rejected(body[1], body[2], body[3]),
                7 => return End::Aborted(body[2], body[3]),
                _ => assert!(begin.elapsed() < PATIENCE, "it goes on"),
            }
        }
        End::Closed
    }

    /// Whether the node has closed already.
    pub fn is_closed(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let read = self.0.read(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        !matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// The status of the next response (0000,0900).
    pub fn status(&mut self) -> u16 {
        let (kind, body) = self.hear().expect("a response");
        assert_eq!(kind, 4, "a response: {body:?}");
        let mut rest = &body[6..];
        while rest.len() >= 8 {
            let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
            if rest[..4] == [0, 0, 0, 9] {
                return u16::from_le_bytes([rest[8], rest[9]]);
            }
            rest = &rest[8 + length..];
        }
        panic!("a response without a status: {body:?}");
    }

    /// C-STORE on a context, its data set in PDUs of 16 KiB; gives the status.
    pub fn store(&mut self, context: u8, instance: &str, data: &[u8]) -> u16 {
        self.say(&p_data(&[pdv(context, 3, &store(instance))]));
        let mut pieces = data.chunks(16_000).peekable();
        if pieces.peek().is_none() {
            self.say(&p_data(&[pdv(context, 2, b"")]));
        }
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { 2 } else { 0 };
            self.say(&p_data(&[pdv(context, last, piece)]));
        }
        self.status()
    }

    /// The association is alive: C-ECHO on context 5.
    pub fn echo(&mut self) -> u16 {
        self.say(&p_data(&[pdv(5, 3, &message(0x0030, 9, 0x0101, &[]))]));
        self.status()
    }
}

/// A-ASSOCIATE-RQ with the usual contexts.
pub fn request(called: &str, calling: &str, max_length: u32) -> Vec<u8> {
    let contexts = [(1, CR, EXPLICIT), (3, CR, DEFLATED), (5, VERIFICATION, IMPLICIT)];
    request_of(called, calling, max_length, &contexts)
}

pub fn request_of(called: &str, calling: &str, max_length: u32, contexts: &[(u8, &str, &str)]) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    for title in [called, calling] {
        let mut field = [b' '; 16];
        for (to, from) in field.iter_mut().zip(title.bytes()) {
            *to = from;
        }
        body.extend(field);
    }
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (id, class, syntax) in contexts {
        let inner = [&[*id, 0, 0, 0], item(0x30, class.as_bytes()).as_slice(), &item(0x40, syntax.as_bytes())].concat();
        body.extend(item(0x20, &inner));
    }
    let user = [item(0x51, &max_length.to_be_bytes()), item(0x52, b"1.2.3.4"), item(0x55, b"HOSTILE")].concat();
    body.extend(item(0x50, &user));
    pdu(1, &body)
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], u16::try_from(body.len()).unwrap().to_be_bytes().as_slice(), body].concat()
}

pub fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], u32::try_from(body.len()).unwrap().to_be_bytes().as_slice(), body].concat()
}

/// Control: 1 command, 2 last.
pub fn pdv(context: u8, control: u8, bytes: &[u8]) -> Vec<u8> {
    [u32::try_from(bytes.len() + 2).unwrap().to_be_bytes().as_slice(), &[context, control], bytes].concat()
}

pub fn p_data(values: &[Vec<u8>]) -> Vec<u8> {
    pdu(4, &values.concat())
}

/// A command set: field, Message ID, Command Data Set Type, and more elements behind.
pub fn message(field: u16, id: u16, data_set: u16, more: &[(u16, &[u8])]) -> Vec<u8> {
    let (field, id, data_set) = (field.to_le_bytes(), id.to_le_bytes(), data_set.to_le_bytes());
    let mut elements: Vec<(u16, &[u8])> = vec![(0x0100, &field), (0x0110, &id), (0x0800, &data_set)];
    elements.extend(more);
    elements.sort_by_key(|(element, _)| *element);
    let mut body = Vec::new();
    for (element, value) in elements {
        let mut value = value.to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        body.extend([0, 0]);
        body.extend(element.to_le_bytes());
        body.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        body.extend(value);
    }
    [b"\0\0\0\0\x04\0\0\0".as_slice(), &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
}

/// C-STORE-RQ of a CR image.
pub fn store(instance: &str) -> Vec<u8> {
    message(0x0001, 7, 0x0000, &[(0x0002, CR.as_bytes()), (0x0700, &[0, 0]), (0x1000, instance.as_bytes())])
}

/// One element in Explicit VR Little Endian, its length as given.
pub fn element(group: u16, number: u16, vr: &str, length: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.extend(vr.as_bytes());
    if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
        bytes.extend([0, 0]);
        bytes.extend(length.to_le_bytes());
    } else {
        bytes.extend(u16::try_from(length).unwrap().to_le_bytes());
    }
    bytes.extend(value);
    bytes
}

/// The identifiers of a CR film; more elements may follow.
pub fn header(instance: &str) -> Vec<u8> {
    let text = |group, number, vr: &str, value: &str| {
        let mut value = value.as_bytes().to_vec();
        value.resize(value.len().next_multiple_of(2), if vr == "UI" { 0 } else { b' ' });
        element(group, number, vr, u32::try_from(value.len()).unwrap(), &value)
    };
    [
        text(0x0008, 0x0016, "UI", CR),
        text(0x0008, 0x0018, "UI", instance),
        text(0x0008, 0x0060, "CS", "CR"),
        text(0x0010, 0x0010, "PN", "Hostile^Peer"),
        text(0x0010, 0x0020, "LO", "H1"),
        text(0x0018, 0x0015, "CS", "CHEST"),
        text(0x0018, 0x5101, "CS", "PA"),
        text(0x0020, 0x000D, "UI", &format!("{instance}.1")),
        text(0x0020, 0x000E, "UI", &format!("{instance}.2")),
    ]
    .concat()
}
