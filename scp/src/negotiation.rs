//! Answering A-ASSOCIATE-RQ (PS3.8 section 9.3.2 and annex D of PS3.7).

use crate::commitment::EXPLICIT_LITTLE_ENDIAN;
use crate::message::SMALLEST_PEER_PDU;
use crate::policy::{CalledRule, Caller, Policy};
use crate::preference;
use crate::rejection::RefusalCause;
use crate::wire::{Fault, invalid};
use centinela_domain::ae::AeTitle;
use centinela_domain::commitment;
use centinela_domain::uid::Uid;
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason, RequestorRoles, UserIdentity, UserVariableItem, read_pdu, write_pdu,
};
use std::net::IpAddr;

/// The DICOM application context (PS3.7 annex A).
pub(crate) const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Verification SOP Class (PS3.4 annex A).
pub(crate) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Implicit VR Little Endian, the default transfer syntax (PS3.5 annex A.1).
pub(crate) const IMPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";

/// Root of all UIDs of the standard.
const STANDARD: &str = "1.2.840.10008.";
/// Root of the composite Storage SOP Classes (PS3.4 annex B.5).
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
/// There are only 128 odd identifiers (PS3.8 section 9.3.2.2).
const MOST_CONTEXTS: usize = 128;
/// Assumed where the peer leaves out the mandatory item: what every implementation can take.
const ABSENT_MAX_LENGTH: u32 = 16_384;

/// A presentation context on which both sides agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) id: u8,
    pub(crate) abstract_syntax: Uid,
    pub(crate) transfer_syntax: Uid,
}

/// What holds on an accepted association.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) contexts: Vec<Context>,
    /// How many contexts the peer proposed.
    pub(crate) proposed: usize,
    /// How many were refused because this caller may not send their classes.
    pub(crate) excluded: usize,
    /// The longest P-DATA that the peer takes, 0 for no limit.
    pub(crate) peer_max_pdu: u32,
    pub(crate) implementation_class_uid: Option<Uid>,
    pub(crate) implementation_version: Option<String>,
}

/// The request with its titles checked. Not `Debug`: it may hold a passcode.
pub(crate) struct Proposal {
    pub(crate) calling: Option<AeTitle>,
    pub(crate) called: Option<AeTitle>,
    /// The calling title as it was sent, made harmless for logs and events.
    pub(crate) claimed: String,
    request: AssociationRQ,
}

impl Proposal {
    /// Decodes a whole A-ASSOCIATE-RQ, already known to be of a tolerable length.
    pub(crate) fn decode(pdu: &[u8]) -> Result<Self, Fault> {
        let body = pdu.len().saturating_sub(6) as u32;
        // The library's text may quote the peer's user identity: it is not passed on.
        match read_pdu(pdu, body.max(SMALLEST_PEER_PDU), true) {
            Ok(Some(Pdu::AssociationRQ(request))) => Ok(Self {
                calling: AeTitle::parse(&request.calling_ae_title).ok(),
                called: AeTitle::parse(&request.called_ae_title).ok(),
                claimed: printable(trim(&request.calling_ae_title)),
                request,
            }),
            _ => Err(invalid("an A-ASSOCIATE-RQ that cannot be decoded")),
        }
    }

    /// The user identity, if it offers one. Secrets: not to be shown.
    pub(crate) fn identity(&self) -> Option<&UserIdentity> {
        self.request.user_variables.iter().find_map(|item| match item {
            UserVariableItem::UserIdentityItem(identity) => Some(identity),
            _ => None,
        })
    }

    /// Who calls, and by which rule; `None` where everybody may call.
    ///
    /// # Errors
    /// Why it may not call, or not us.
    pub(crate) fn caller<'p>(
        &self,
        policy: &'p Policy,
        host: IpAddr,
    ) -> Result<(&AeTitle, Option<&'p Caller>), RefusalCause> {
        if self.request.protocol_version & 1 == 0 {
            return Err(RefusalCause::ProtocolVersion);
        }
        if trim(&self.request.application_context_name) != APPLICATION_CONTEXT {
            return Err(RefusalCause::ApplicationContext);
        }
        let called = self.called.as_ref().ok_or(RefusalCause::CalledTitle)?;
        if policy.called == CalledRule::Own && *called != policy.ae_title {
            return Err(RefusalCause::CalledTitle);
        }
        let calling = self.calling.as_ref().ok_or(RefusalCause::UnknownCaller)?;
        Ok((calling, policy.callers.admit(calling, host)?))
    }

    /// What is agreed with a caller that may call, and the whole A-ASSOCIATE-AC.
    ///
    /// # Errors
    /// [`RefusalCause::Request`].
    pub(crate) fn answer(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
    ) -> Result<(Negotiated, Vec<u8>), RefusalCause> {
        let request = &self.request;
        if !well_formed(&request.presentation_contexts) {
            return Err(RefusalCause::Request);
        }
        let mut negotiated = Negotiated {
            contexts: Vec::new(),
            proposed: request.presentation_contexts.len(),
            excluded: 0,
            peer_max_pdu: ABSENT_MAX_LENGTH,
            implementation_class_uid: None,
            implementation_version: None,
        };
        for item in &request.user_variables {
            match item {
                UserVariableItem::MaxLength(length) => negotiated.peer_max_pdu = *length,
                UserVariableItem::ImplementationClassUID(uid) => {
                    negotiated.implementation_class_uid = Uid::parse(uid).ok();
                }
                UserVariableItem::ImplementationVersionName(name) => {
                    negotiated.implementation_version = Some(printable(name));
                }
                _ => {}
            }
        }
        if (1..SMALLEST_PEER_PDU).contains(&negotiated.peer_max_pdu) {
            return Err(RefusalCause::Request);
        }
        let mut results = Vec::with_capacity(negotiated.proposed);
        for proposed in &request.presentation_contexts {
            let chosen = choose(proposed, policy, caller);
            if chosen.as_ref().is_err_and(|reason| *reason == PresentationContextResultReason::UserRejection) {
                negotiated.excluded += 1;
            }
            let (reason, transfer_syntax) = match chosen.and_then(|context| self.in_role(context)) {
                Ok(context) => {
                    let syntax = context.transfer_syntax.as_str().to_owned();
                    negotiated.contexts.push(context);
                    (PresentationContextResultReason::Acceptance, syntax)
                }
                // Not significant in a refusal, but the item must be there.
                Err(reason) => (reason, IMPLICIT_LITTLE_ENDIAN.to_owned()),
            };
            results.push(PresentationContextResult { id: proposed.id, reason, transfer_syntax });
        }
        let mut user_variables =
            user_items(policy.limits.max_pdu, &policy.implementation_class_uid, &policy.implementation_version);
        user_variables.extend(self.roles(&negotiated.contexts));
        let accept = Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: request.calling_ae_title.clone(),
            called_ae_title: request.called_ae_title.clone(),
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: results,
            user_variables,
        });
        let mut pdu = Vec::new();
        write_pdu(&mut pdu, &accept).map_err(|_| RefusalCause::Request)?;
        Ok((negotiated, pdu))
    }

    /// The roles that the requestor proposes for a class, if it proposes any (PS3.7 annex D.3.3.4).
    fn proposed_roles(&self, class: &str) -> Option<RequestorRoles> {
        self.request.user_variables.iter().find_map(|item| match item {
            UserVariableItem::ScuScpRoleSelectionSubItem(uid, roles) if trim(uid) == class => Some(*roles),
            _ => None,
        })
    }

    /// Storage commitment: the requestor asks as SCU, or reports to us as SCP. Without a role selection it is SCU.
    fn in_role(&self, context: Context) -> Result<Context, PresentationContextResultReason> {
        let class = context.abstract_syntax.as_str();
        match self.proposed_roles(class) {
            Some(RequestorRoles { scu: false, scp: false }) if class == commitment::SOP_CLASS => {
                Err(PresentationContextResultReason::UserRejection)
            }
            _ => Ok(context),
        }
    }

    /// The answer to a role selection for storage commitment: as proposed. For other classes the default roles hold, as they do where the item is left out.
    fn roles(&self, contexts: &[Context]) -> Option<UserVariableItem> {
        let class = commitment::SOP_CLASS;
        let roles = self.proposed_roles(class)?;
        let accepted = contexts.iter().any(|context| context.abstract_syntax.as_str() == class);
        accepted.then(|| UserVariableItem::ScuScpRoleSelectionSubItem(class.to_owned(), roles))
    }
}

/// The user items that we send, as requestor or acceptor.
pub(crate) fn user_items(max_pdu: u32, class: &Uid, version: &str) -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(max_pdu),
        UserVariableItem::ImplementationClassUID(class.as_str().to_owned()),
        UserVariableItem::ImplementationVersionName(printable(version)),
    ]
}

/// At most 16 printable ASCII characters of a version name.
pub(crate) fn printable(name: &str) -> String {
    name.chars().filter(|c| (' '..='~').contains(c)).take(16).collect()
}

/// One to 128 contexts, each with an odd identifier of its own.
fn well_formed(contexts: &[PresentationContextProposed]) -> bool {
    let mut seen = [false; 256];
    !contexts.is_empty()
        && contexts.len() <= MOST_CONTEXTS
        && contexts.iter().all(|c| c.id % 2 == 1 && !std::mem::replace(&mut seen[usize::from(c.id)], true))
}

/// A wanted class that this caller may send, in the best of the proposed transfer syntaxes.
fn choose(
    proposed: &PresentationContextProposed,
    policy: &Policy,
    caller: Option<&Caller>,
) -> Result<Context, PresentationContextResultReason> {
    let abstract_syntax = Uid::parse(&proposed.abstract_syntax)
        .ok()
        .filter(|uid| match uid.as_str() {
            commitment::SOP_CLASS => policy.commitment,
            other => wanted(other, policy.accept_any_abstract_syntax),
        })
        .ok_or(PresentationContextResultReason::AbstractSyntaxNotSupported)?;
    let service = [VERIFICATION, commitment::SOP_CLASS].contains(&abstract_syntax.as_str());
    if !service && caller.is_some_and(|caller| !caller.may_send(&abstract_syntax)) {
        return Err(PresentationContextResultReason::UserRejection);
    }
    // These data sets are read here, unlike instances, which are stored as they come.
    let readable = |syntax: &&str| [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN].contains(&trim(syntax));
    let read_here = abstract_syntax.as_str() == commitment::SOP_CLASS;
    let syntaxes =
        proposed.transfer_syntaxes.iter().map(String::as_str).filter(|syntax| !read_here || readable(syntax));
    let transfer_syntax = preference::best(&abstract_syntax, syntaxes)
        .ok_or(PresentationContextResultReason::TransferSyntaxesNotSupported)?;
    Ok(Context { id: proposed.id, abstract_syntax, transfer_syntax })
}

/// Verification and all Storage classes; with `any` also private classes. The other services of
/// the standard (query, retrieve, worklist, ...) are never wanted.
fn wanted(abstract_syntax: &str, any: bool) -> bool {
    abstract_syntax == VERIFICATION
        || abstract_syntax.starts_with(STORAGE)
        || (any && !abstract_syntax.starts_with(STANDARD))
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c| c == '\0' || c == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_and_private_classes_are_wanted_other_services_are_not() {
        assert!(wanted(VERIFICATION, false));
        assert!(wanted("1.2.840.10008.5.1.4.1.1.1.1", false));
        assert!(wanted("1.3.12.2.1107.5.9.1", true), "private storage");
        assert!(!wanted("1.3.12.2.1107.5.9.1", false));
        for service in [
            "1.2.840.10008.5.1.4.1.2.2.1", // Study Root Find
            "1.2.840.10008.5.1.4.31",      // Modality Worklist
            "1.2.840.10008.1.20.1",        // Storage Commitment
        ] {
            assert!(!wanted(service, true), "{service}");
        }
    }

    #[test]
    fn context_identifiers_are_odd_and_unique() {
        let context = |id| PresentationContextProposed {
            id,
            abstract_syntax: VERIFICATION.to_owned(),
            transfer_syntaxes: vec![IMPLICIT_LITTLE_ENDIAN.to_owned()],
        };
        let all = |ids: &[u8]| well_formed(&ids.iter().copied().map(context).collect::<Vec<_>>());
        assert!(all(&[1, 255, 3]));
        assert!(!all(&[]));
        assert!(!all(&[2]));
        assert!(!all(&[1, 3, 1]));
    }
}
