//! Places and rates: how many connections and associations there may be, in all, of one address and
//! of one caller, and how fast new ones may come.
//!
//! Everything here is a counter behind one lock that is held for a few map operations. What a peer
//! can make grow is bounded by the number of open connections, or pruned.

use crate::network::subscriber;
use crate::policy::{Caller, Limits};
use crate::rejection::RefusalCause;
use centinela_domain::ae::AeTitle;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// So many addresses are remembered for their rate before those at rest are forgotten.
const MOST_BUCKETS: usize = 4096;
/// All requests longer than [`SMALL_REQUEST`] that are being read share so many bytes.
const REQUEST_MEMORY: usize = 16 << 20;
/// A request up to this length needs no share: most have a few hundred bytes.
const SMALL_REQUEST: u32 = 16 << 10;

/// Shared by all connections of a listener.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Limits,
    counts: Mutex<Counts>,
    request_memory: Semaphore,
}

#[derive(Debug, Default)]
struct Counts {
    connections: Tally<IpAddr>,
    associations: Tally<IpAddr>,
    /// Only titles with an open association.
    callers: Tally<AeTitle>,
    address_rates: HashMap<IpAddr, Bucket>,
    /// Only titles of the configuration.
    caller_rates: HashMap<AeTitle, Bucket>,
}

/// How many there are, in all and of each key.
#[derive(Debug)]
struct Tally<K> {
    all: usize,
    of: HashMap<K, usize>,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { all: 0, of: HashMap::new() }
    }
}

impl<K: Eq + Hash> Tally<K> {
    fn count(&self, key: &K) -> usize {
        self.of.get(key).copied().unwrap_or(0)
    }

    fn enter(&mut self, key: K) {
        self.all += 1;
        *self.of.entry(key).or_default() += 1;
    }

    fn leave(&mut self, key: &K) {
        self.all = self.all.saturating_sub(1);
        if let Some(count) = self.of.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(key);
            }
        }
    }
}

/// A token bucket: holds one minute's worth, fills evenly.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(per_minute: u32, now: Instant) -> Self {
        Self { tokens: f64::from(per_minute), at: now }
    }

    fn refill(&mut self, per_minute: u32, now: Instant) {
        let gained = now.duration_since(self.at).as_secs_f64() * f64::from(per_minute) / 60.0;
        self.tokens = (self.tokens + gained).min(f64::from(per_minute));
        self.at = now;
    }

    fn take(&mut self, per_minute: u32, now: Instant) -> bool {
        self.refill(per_minute, now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// An open connection; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.admission.counts().connections.leave(&self.address);
    }
}

/// An open association; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
    caller: AeTitle,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.associations.leave(&self.address);
        counts.callers.leave(&self.caller);
    }
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            limits: limits.clone(),
            counts: Mutex::default(),
            request_memory: Semaphore::new(REQUEST_MEMORY),
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counters hold after a panic too.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(crate) fn connect(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPlace, RefusalCause> {
        let address = subscriber(peer);
        let mut counts = self.counts();
        if counts.connections.all >= self.limits.connections {
            return Err(RefusalCause::Connections);
        }
        if counts.connections.count(&address) >= self.limits.connections_per_address {
            return Err(RefusalCause::ConnectionsOfAddress);
        }
        counts.connections.enter(address);
        drop(counts);
        Ok(ConnectionPlace { admission: Arc::clone(self), address })
    }

    /// A share of the memory for long requests; waits for one. The caller has a time limit.
    pub(crate) async fn request_share(&self, length: u32) -> Option<SemaphorePermit<'_>> {
        if length <= SMALL_REQUEST {
            return None;
        }
        // The semaphore is never closed.
        self.request_memory.acquire_many(length.min(REQUEST_MEMORY as u32)).await.ok()
    }

    /// Counts a request of this address, whatever becomes of it.
    ///
    /// # Errors
    /// [`RefusalCause::RateOfAddress`].
    pub(crate) fn request(&self, peer: IpAddr, now: Instant) -> Result<(), RefusalCause> {
        let rate = self.limits.requests_per_minute;
        if rate == 0 {
            return Ok(());
        }
        let mut counts = self.counts();
        let buckets = &mut counts.address_rates;
        if buckets.len() >= MOST_BUCKETS {
            // A bucket that was not touched for a minute is full again: it says nothing.
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < Duration::from_secs(60));
            if buckets.len() >= MOST_BUCKETS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(subscriber(peer)).or_insert_with(|| Bucket::full(rate, now));
        if bucket.take(rate, now) { Ok(()) } else { Err(RefusalCause::RateOfAddress) }
    }

    /// A place for a new association of a caller that may call; `rule` is what is written of it.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(crate) fn associate(
        self: &Arc<Self>,
        peer: IpAddr,
        caller: &AeTitle,
        rule: Option<&Caller>,
        now: Instant,
    ) -> Result<Place, RefusalCause> {
        let (address, limits) = (subscriber(peer), &self.limits);
        let mut counts = self.counts();
        if let Some(rate) = rule.and_then(|rule| rule.per_minute) {
            let bucket = counts.caller_rates.entry(caller.clone()).or_insert_with(|| Bucket::full(rate, now));
            if !bucket.take(rate, now) {
                return Err(RefusalCause::RateOfCaller);
            }
        }
        let of_caller = rule.and_then(|rule| rule.associations).unwrap_or(limits.associations_per_caller);
        if counts.callers.count(caller) >= of_caller {
            return Err(RefusalCause::AssociationsOfCaller);
        }
        if counts.associations.count(&address) >= limits.associations_per_address {
            return Err(RefusalCause::AssociationsOfAddress);
        }
        if counts.associations.all >= limits.associations {
            return Err(RefusalCause::Associations);
        }
        counts.associations.enter(address);
        counts.callers.enter(caller.clone());
        drop(counts);
        Ok(Place { admission: Arc::clone(self), address, caller: caller.clone() })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn title(text: &str) -> AeTitle {
        AeTitle::parse(text).unwrap()
    }

    #[test]
    fn places_are_counted_in_all_by_address_and_by_caller_and_given_back() {
        let admission = Admission::new(&Limits {
            associations: 4,
            associations_per_caller: 2,
            associations_per_address: 3,
            ..Limits::default()
        });
        let (near, far) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let enter = |host, who: &str| admission.associate(host, &title(who), None, Instant::now());
        let first = enter(near, "A").unwrap();
        let _second = enter(near, "A").unwrap();
        assert_eq!(enter(far, "A").unwrap_err(), RefusalCause::AssociationsOfCaller);
        let _third = enter(near, "B").unwrap();
        assert_eq!(enter(near, "C").unwrap_err(), RefusalCause::AssociationsOfAddress);
        let _fourth = enter(far, "C").unwrap();
        assert_eq!(enter(far, "D").unwrap_err(), RefusalCause::Associations);
        drop(first);
        let again = enter(far, "A").unwrap();
        drop((again, _second, _third, _fourth));
        let counts = admission.counts();
        assert_eq!(counts.associations.all, 0);
        assert!(counts.associations.of.is_empty() && counts.callers.of.is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_caller_may_have_its_own_number() {
        let admission = Admission::new(&Limits::default());
        let rule = Caller { associations: Some(1), ..Caller::new(title("A")) };
        let enter = || admission.associate(ip("10.0.0.1"), &title("A"), Some(&rule), Instant::now());
        let place = enter().unwrap();
        let refused = enter().unwrap_err();
        assert_eq!(refused, RefusalCause::AssociationsOfCaller);
        drop(place);
    }

    #[test]
    fn connections_of_one_address_leave_room_for_others() {
        let admission = Admission::new(&Limits { connections: 3, connections_per_address: 2, ..Limits::default() });
        let one = admission.connect(ip("10.0.0.1")).unwrap();
        let _two = admission.connect(ip("::ffff:10.0.0.1")).unwrap();
        assert_eq!(admission.connect(ip("10.0.0.1")).unwrap_err(), RefusalCause::ConnectionsOfAddress);
        let _other = admission.connect(ip("10.0.0.2")).unwrap();
        assert_eq!(admission.connect(ip("10.0.0.3")).unwrap_err(), RefusalCause::Connections);
        drop(one);
        admission.connect(ip("10.0.0.3")).unwrap();
    }

    #[test]
    fn rates_are_of_each_address_and_recover() {
        let admission = Admission::new(&Limits { requests_per_minute: 60, ..Limits::default() });
        let begin = Instant::now();
        for _ in 0..60 {
            admission.request(ip("10.0.0.1"), begin).unwrap();
        }
        assert_eq!(admission.request(ip("10.0.0.1"), begin), Err(RefusalCause::RateOfAddress));
        admission.request(ip("10.0.0.2"), begin).unwrap();
        let later = begin + Duration::from_millis(2_001);
        assert_eq!([0; 3].map(|_| admission.request(ip("10.0.0.1"), later).is_ok()), [true, true, false]);
        // More addresses than are remembered.
        for n in 0..u32::try_from(MOST_BUCKETS).unwrap() * 2 {
            admission.request(IpAddr::from(n.to_be_bytes()), later).unwrap();
        }
        assert!(admission.counts().address_rates.len() <= MOST_BUCKETS);
    }

    #[test]
    fn a_caller_has_a_rate_of_its_own() {
        let admission = Admission::new(&Limits::default());
        let rule = Caller { per_minute: Some(2), ..Caller::new(title("A")) };
        let begin = Instant::now();
        let call = |now| admission.associate(ip("10.0.0.1"), &title("A"), Some(&rule), now).map(drop);
        assert_eq!([0; 3].map(|_| call(begin)), [Ok(()), Ok(()), Err(RefusalCause::RateOfCaller)]);
        assert_eq!(call(begin + Duration::from_secs(31)), Ok(()));
    }

    #[tokio::test]
    async fn long_requests_share_a_fixed_memory() {
        let admission = Admission::new(&Limits::default());
        assert!(admission.request_share(SMALL_REQUEST).await.is_none());
        let all = admission.request_share(u32::MAX).await;
        let more = tokio::time::timeout(Duration::from_millis(20), admission.request_share(SMALL_REQUEST + 1)).await;
        assert!(more.is_err(), "somebody else holds all of it");
        drop(all);
        assert!(admission.request_share(SMALL_REQUEST + 1).await.is_some());
    }
}
