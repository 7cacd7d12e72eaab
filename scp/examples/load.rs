//! A load generator: `load AE HOST PORT ASSOCIATIONS FILES...` sends the files, read beforehand, over
//! so many associations at once and prints one line of JSON: seconds from the first connect to the
//! last release, bytes of data sets, and how many C-STOREs were answered by which status.
#![expect(clippy::print_stdout, reason = "a command line program")]

use centinela_domain::ae::AeTitle;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, Remote, Requestor, RequestorOptions, part10_parts};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One file with what its C-STORE needs.
struct Film {
    class: Uid,
    instance: Uid,
    syntax: Uid,
    bytes: Vec<u8>,
    offset: usize,
}

impl Film {
    fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let (class, instance, syntax, offset) = part10_parts(&bytes)?;
        Ok(Self { class, instance, syntax, bytes, offset })
    }
}

/// Sends every `of`th film from `first` on over one association; gives the statuses.
async fn association(remote: Remote, films: Arc<Vec<Film>>, first: usize, of: usize) -> Vec<String> {
    let mine: Vec<&Film> = films.iter().skip(first).step_by(of).collect();
    let mut contexts = Vec::new();
    for film in &mine {
        let context = ProposedContext::new(film.class.clone(), vec![film.syntax.clone()]);
        if !contexts.contains(&context) {
            contexts.push(context);
        }
    }
    let options = RequestorOptions {
        calling: AeTitle::parse("LOAD").expect("an AE title"),
        connect_timeout: Duration::from_secs(60),
        response_timeout: Duration::from_secs(300),
        max_pdu: 131_072,
        implementation_class_uid: Uid::derive(&["example", "load"]),
        implementation_version: "LOAD".to_owned(),
    };
    let mut requestor = match Requestor::open(&remote, &options, &contexts).await {
        Ok(requestor) => requestor,
        Err(error) => return vec![error.to_string(); mine.len()],
    };
    let mut statuses = Vec::new();
    for film in mine {
        let sent = requestor.store(&film.class, &film.instance, &film.syntax, &film.bytes[film.offset..]).await;
        statuses.push(match sent {
            Ok(status) => format!("{:04X}", status.0),
            Err(error) => error.to_string(),
        });
    }
    requestor.release().await;
    statuses
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let remote = Remote {
        ae_title: AeTitle::parse(&arguments.next().ok_or("AE is missing")?)?,
        host: arguments.next().ok_or("HOST is missing")?,
        port: arguments.next().ok_or("PORT is missing")?.parse()?,
        tls: None,
    };
    let of: usize = arguments.next().ok_or("ASSOCIATIONS is missing")?.parse()?;
    let films = arguments.map(|path| Film::read(&path)).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = films.iter().map(|film| film.bytes.len() - film.offset).sum();
    let films = Arc::new(films);
    let start = Instant::now();
    let running: Vec<_> =
        (0..of).map(|first| tokio::spawn(association(remote.clone(), films.clone(), first, of))).collect();
    let mut counts = BTreeMap::<String, usize>::new();
    for association in running {
        for status in association.await? {
            *counts.entry(status).or_default() += 1;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let counts: Vec<_> = counts.iter().map(|(status, count)| format!("{status:?}: {count}")).collect();
    println!("{{\"seconds\": {seconds:.4}, \"bytes\": {bytes}, \"statuses\": {{{}}}}}", counts.join(", "));
    Ok(())
}
