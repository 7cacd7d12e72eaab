//! Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3): where a peer may call from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address with the number of its bits that count: `10.1.0.0/16`, `fd00::/8`, `10.1.2.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No address, or no number behind the slash.
    #[error("give an address such as 10.1.2.3 or fd00::5, or a network such as 10.1.0.0/16 or fd00::/8")]
    Malformed,
    /// More bits than the address has.
    #[error("an IPv4 network has at most 32 bits behind the slash, an IPv6 network 128")]
    TooManyBits,
    /// `10.1.2.3/16`: either the address or the length is a slip.
    #[error("the address has bits beyond the length behind the slash")]
    HostBits,
}

impl Network {
    /// Whether `address` belongs to the network. An IPv4 address inside an IPv6 one is taken as
    /// what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.bits) == Some(self.address)
    }
}

/// The address with all bits behind the first `bits` cleared; `None` if it has not so many.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => {
            let hidden = 32_u32.checked_sub(u32::from(bits))?;
            (v4.to_bits() & u32::MAX.checked_shl(hidden).unwrap_or(0)).to_be_bytes().into()
        }
        IpAddr::V6(v6) => {
            let hidden = 128_u32.checked_sub(u32::from(bits))?;
            (v6.to_bits() & u128::MAX.checked_shl(hidden).unwrap_or(0)).to_be_bytes().into()
        }
    })
}

/// Whom limits by address count as one: an IPv4 host, or a whole IPv6 /64, of which a single
/// machine commands every address.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => masked(IpAddr::V6(v6), 64).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        v4 => v4,
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Malformed)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().map_err(|_| NetworkError::Malformed)?
            }
            Some(_) => return Err(NetworkError::Malformed),
            None => whole,
        };
        if bits > whole {
            return Err(NetworkError::TooManyBits);
        }
        match masked(address, bits) {
            Some(network) if network == address => Ok(Self { address, bits }),
            _ => Err(NetworkError::HostBits),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_inside_or_outside() {
        for (text, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.7", "10.2.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3", "::ffff:10.1.2.3", "::ffff:10.1.2.4"),
            ("0.0.0.0/0", "192.0.2.1", "fd00::1"),
            ("128.0.0.0/1", "255.1.1.1", "127.0.0.1"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("2001:db8::5", "2001:db8::5", "2001:db8::6"),
        ] {
            assert!(network(text).contains(ip(inside)), "{inside} in {text}");
            assert!(!network(text).contains(ip(outside)), "{outside} in {text}");
            assert_eq!(network(&network(text).to_string()), network(text));
        }
    }

    #[test]
    fn what_is_no_network_is_told_apart() {
        for text in
            ["", "10.1", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/x", "pacs.example", "10.0.0.0/8/8", "10.0.0.0/999"]
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text:?}");
        }
        assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NetworkError::TooManyBits));
        assert_eq!("fd00::/129".parse::<Network>(), Err(NetworkError::TooManyBits));
        assert_eq!("10.1.2.3/16".parse::<Network>(), Err(NetworkError::HostBits));
    }

    #[test]
    fn an_ipv6_machine_counts_once_whatever_address_it_takes() {
        assert_eq!(subscriber(ip("2001:db8::1")), subscriber(ip("2001:db8::ffff:1")));
        assert_ne!(subscriber(ip("2001:db8::1")), subscriber(ip("2001:db8:0:1::1")));
        assert_eq!(subscriber(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
