//! A modality that stops in the middle of a data set, so that a fault can be placed exactly there.
//! The few PDUs that it needs are made by hand (PS3.8 section 9.3, PS3.7 section 6.3.1).

use super::films::Film;
use centinela_scp::part10_parts;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const CONTEXT: u8 = 1;
const PIECE: usize = 8192;

/// An open association on which a C-STORE is under way.
pub struct HaltingPush {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl HaltingPush {
    /// Opens an association as MODALITY; nothing is sent on it yet.
    pub fn open(port: u16, film: &Film) -> io::Result<TcpStream> {
        let bytes = fs::read(&film.path)?;
        let (class, _, syntax, _) = part10_parts(&bytes).map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut body = vec![0, 1, 0, 0];
        body.extend_from_slice(b"CENTINELA       MODALITY        ");
        body.extend_from_slice(&[0; 32]);
        body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
        let syntaxes = [item(0x30, class.as_str().as_bytes()), item(0x40, syntax.as_str().as_bytes())].concat();
        body.extend(item(0x20, &[&[CONTEXT, 0, 0, 0][..], &syntaxes].concat()));
        let user = [item(0x51, &16384_u32.to_be_bytes()), item(0x52, b"1.2.3.4")].concat();
        body.extend(item(0x50, &user));
        stream.write_all(&pdu(1, &body))?;
        let (kind, _) = read_pdu(&mut stream)?;
        if kind != 2 { Err(io::Error::other(format!("PDU {kind} in place of A-ASSOCIATE-AC"))) } else { Ok(stream) }
    }

    /// Opens an association, sends the command and the first `count` bytes of the data set.
    pub fn begin(port: u16, film: &Film, count: usize) -> io::Result<Self> {
        Self::begin_on(Self::open(port, film)?, film, count)
    }

    /// As [`HaltingPush::begin`], on an open association.
    pub fn begin_on(mut stream: TcpStream, film: &Film, count: usize) -> io::Result<Self> {
        let bytes = fs::read(&film.path)?;
        let (class, instance, _, offset) = part10_parts(&bytes).map_err(io::Error::other)?;
        stream.write_all(&p_data(3, &store_command(class.as_str(), instance.as_str())))?;
        let (now, later) = bytes[offset..].split_at(count);
        for piece in now.chunks(PIECE) {
            stream.write_all(&p_data(0, piece))?;
        }
        Ok(Self { stream, rest: later.to_vec() })
    }

    /// Sends the rest and waits for the status.
    pub fn finish(&mut self) -> io::Result<u16> {
        let last = self.rest.len().div_ceil(PIECE) - 1;
        for (n, piece) in self.rest.chunks(PIECE).enumerate() {
            self.stream.write_all(&p_data(if n == last { 2 } else { 0 }, piece))?;
        }
        let (kind, body) = read_pdu(&mut self.stream)?;
        let status = body.windows(8).position(|w| w == b"\0\0\0\x09\x02\0\0\0").map(|at| [body[at + 8], body[at + 9]]);
        match (kind, status) {
            (4, Some(status)) => Ok(u16::from_le_bytes(status)),
            _ => Err(io::Error::other(format!("PDU {kind} in place of C-STORE-RSP"))),
        }
    }
}

fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// One PDV: bit 0 of `control` command, bit 1 last.
fn p_data(control: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() + 2).unwrap().to_be_bytes();
    pdu(4, &[&length[..], &[CONTEXT, control], bytes].concat())
}

fn store_command(class: &str, instance: &str) -> Vec<u8> {
    let text = |uid: &str| if uid.len() % 2 == 1 { format!("{uid}\0") } else { uid.to_owned() }.into_bytes();
    let number = |value: u16| value.to_le_bytes().to_vec();
    let elements = [
        (0x0002_u16, text(class)),
        (0x0100, number(1)),
        (0x0110, number(1)),
        (0x0700, number(0)),
        (0x0800, number(1)),
        (0x1000, text(instance)),
    ];
    let mut body = Vec::new();
    for (element, value) in elements {
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&element.to_le_bytes());
        body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
        body.extend_from_slice(&value);
    }
    [&b"\0\0\0\0\x04\0\0\0"[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
}

fn read_pdu(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 6];
    stream.read_exact(&mut head)?;
    let mut body = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
    stream.read_exact(&mut body)?;
    Ok((head[0], body))
}
