//! A batch over one line: fit, send, record.

use super::breaker::Trouble;
use super::line::Line;
use super::record::{Answer, give_back, record};
use super::{Sender, fit};
use crate::failpoint;
use crate::store::deliveries::DeliveryRow;
use crate::store::results::{self, ResultRow};
use anyhow::Result;
use centinela_scp::{ProposedContext, RequestError};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

impl Sender {
    /// Sends a batch in order. Where there is no answer the rest goes back untouched; where an object is to be
    /// tried again, those of its study that come after it; where the destination begins to rest, all.
    ///
    /// # Errors
    /// If rows cannot be read or written.
    pub(super) async fn send(&mut self, batch: Vec<DeliveryRow>) -> Result<()> {
        let mut rest = self.load(batch).await?;
        let contexts = fit::contexts(rest.iter().map(|(_, result)| result));
        let mut held: HashSet<String> = HashSet::new();
        let (mut refused, mut nothing_accepted) = (false, None);
        while let Some((mut delivery, result)) = rest.pop_front() {
            if self.stop.is_cancelled() || self.peer.resting_until(self.app.clock.now()).is_some() {
                rest.push_front((delivery, result));
                break;
            }
            if held.contains(&delivery.study_uid) {
                give_back(&self.app, &self.peer, &[delivery]).await?;
                continue;
            }
            let (answer, result) = match &nothing_accepted {
                None => self.send_one(&contexts, &mut delivery, result).await?,
                Some(answer) => (Answer::clone(answer), result),
            };
            failpoint::hit("delivery.sent");
            let settled = record(&self.app, &self.peer, &delivery, Some(&result), &answer).await?;
            failpoint::hit("delivery.recorded");
            match &answer {
                Answer::Nothing(_) => break,
                Answer::Refused(..) => {
                    refused = true;
                    nothing_accepted = self.line.is_none().then_some(answer);
                }
                Answer::Status(_) | Answer::Unreadable(_) => {}
            }
            if !settled {
                held.insert(delivery.study_uid);
            }
        }
        let rest: Vec<_> = rest.into_iter().map(|(delivery, _)| delivery).collect();
        give_back(&self.app, &self.peer, &rest).await?;
        self.watch.doubtful |= refused;
        match &mut self.line {
            // What it refused may be accepted in another association.
            Some(_) if refused => self.hang_up().await,
            Some(line) => line.rest(),
            None => {}
        }
        Ok(())
    }

    /// The results of a batch.
    async fn load(&self, batch: Vec<DeliveryRow>) -> Result<VecDeque<(DeliveryRow, ResultRow)>> {
        let mut loaded = VecDeque::with_capacity(batch.len());
        for delivery in batch {
            let mut tx = self.app.db.read().await?;
            let result = results::find(&mut tx, &delivery.result).await?;
            drop(tx);
            match result {
                Some(result) => loaded.push_back((delivery, result)),
                None => {
                    let answer = Answer::Unreadable("the result has no row".to_owned());
                    record(&self.app, &self.peer, &delivery, None, &answer).await?;
                }
            }
        }
        Ok(loaded)
    }

    /// Sends one object in the form that the destination takes; gives that form, too.
    async fn send_one(
        &mut self,
        contexts: &[ProposedContext],
        delivery: &mut DeliveryRow,
        mut result: ResultRow,
    ) -> Result<(Answer, ResultRow)> {
        let (app, peer) = (Arc::clone(&self.app), Arc::clone(&self.peer));
        loop {
            let line = match self.line(contexts).await? {
                Ok(line) => line,
                Err(error @ RequestError::NoPresentationContext { .. }) => {
                    return Ok((Answer::Refused("no_context", error.to_string()), result));
                }
                Err(error) => return Ok((Answer::Nothing(Trouble::away(&error)), result)),
            };
            let rested = std::mem::take(&mut line.rested);
            if let Some(requestor) = line.association() {
                result = match fit::fit(&app, &peer, requestor, delivery, result.clone()).await {
                    Ok(result) => result,
                    // Our own fault with this one object must not hold up the others.
                    Err(error) => return Ok((Answer::Unreadable(format!("{error:#}")), result)),
                };
            }
            let answer = line.carry(&app, &peer, &result).await;
            if matches!(answer, Answer::Nothing(_)) {
                self.line = None;
                // The peer closed what lay idle: that was no attempt.
                if rested {
                    continue;
                }
            }
            return Ok((answer, result));
        }
    }

    /// An association on which these contexts were proposed, with all that were needed before.
    async fn line(&mut self, contexts: &[ProposedContext]) -> Result<Result<&mut Line, RequestError>> {
        let new: Vec<_> = contexts.iter().filter(|context| !self.contexts.contains(context)).cloned().collect();
        self.contexts.extend(new);
        if let Some(line) = self.line.take() {
            if line.covers(contexts) {
                return Ok(Ok(self.line.insert(line)));
            }
            line.release().await;
        }
        let opened = Line::open(&self.app, &self.peer, self.contexts.clone(), &self.writer).await?;
        Ok(opened.map(|line| self.line.insert(line)))
    }
}
