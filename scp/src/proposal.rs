//! What a requestor proposes and what a peer makes of it (PS3.8 sections 9.3.2 and 9.3.3, PS3.7 annex D).

use crate::commitment::EXPLICIT_LITTLE_ENDIAN;
use crate::message::SMALLEST_PEER_PDU;
use crate::negotiation::{APPLICATION_CONTEXT, Context, IMPLICIT_LITTLE_ENDIAN, VERIFICATION, printable, user_items};
use crate::remote::Remote;
use crate::scu::RequestorOptions;
use centinela_domain::ability::ContextRefusal;
use centinela_domain::uid::Uid;
use centinela_domain::{commitment, query};
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResultReason, RequestorRoles,
    UserVariableItem, write_pdu,
};

/// In which role we want to be for a class (PS3.7 annex D.3.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// We ask: the role of every requestor, for which nothing is negotiated.
    #[default]
    Scu,
    /// We call, but it is the peer who asked.
    Scp,
}

/// One presentation context to propose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedContext {
    /// The SOP class.
    pub abstract_syntax: Uid,
    /// Transfer syntaxes; the peer chooses one.
    pub transfer_syntaxes: Vec<Uid>,
    /// Our role; the same in every context of the class.
    pub role: Role,
}

impl ProposedContext {
    /// A context in which we are the SCU.
    #[must_use]
    pub const fn new(abstract_syntax: Uid, transfer_syntaxes: Vec<Uid>) -> Self {
        Self { abstract_syntax, transfer_syntaxes, role: Role::Scu }
    }

    /// The context that [`crate::Requestor::echo`] needs.
    #[must_use]
    pub fn verification() -> Self {
        Self::new(constant(VERIFICATION), vec![constant(IMPLICIT_LITTLE_ENDIAN)])
    }

    /// The context that [`crate::Requestor::ask_commitment`] needs.
    #[must_use]
    pub fn commitment_request() -> Self {
        Self { role: Role::Scu, ..Self::commitment() }
    }

    /// The context that [`crate::Requestor::holds`] needs.
    #[must_use]
    pub fn find() -> Self {
        let syntaxes = [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN];
        Self::new(constant(query::FIND), syntaxes.into_iter().map(constant).collect())
    }

    /// The context that [`crate::Requestor::report`] needs. Proposed together with the SCP role: we call, but the
    /// peer is the one who asked for commitment.
    #[must_use]
    pub fn commitment() -> Self {
        let syntaxes = [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN];
        let syntaxes = syntaxes.into_iter().map(constant).collect();
        Self { role: Role::Scp, ..Self::new(constant(commitment::SOP_CLASS), syntaxes) }
    }
}

/// What the peer said to one proposed context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextAnswer {
    /// The SOP class that was proposed.
    pub abstract_syntax: Uid,
    /// The transfer syntax that it chose, or why it refused.
    pub answer: Result<Uid, ContextRefusal>,
}

/// What the peer said in its A-ASSOCIATE-AC.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerAnswer {
    /// One for each proposed context, in the order of the proposal.
    pub contexts: Vec<ContextAnswer>,
    /// The longest P-DATA that it takes, in bytes; 0 for no limit.
    pub max_pdu: u32,
    /// Its Implementation Class UID.
    pub implementation_class_uid: Option<Uid>,
    /// Its Implementation Version Name, made printable.
    pub implementation_version: Option<String>,
}

impl PeerAnswer {
    /// Reads the answer to a proposal; gives the contexts that can be used, too.
    pub(crate) fn read(
        accepted: &AssociationAC,
        proposed: &[ProposedContext],
    ) -> Result<(Self, Vec<Context>), &'static str> {
        let mut answer = Self::default();
        // Without the item the default roles hold, in which we could not report. Peers that forget the
        // item take reports all the same, so only a plain no is taken for a no.
        let mut not_scp: Vec<String> = Vec::new();
        for item in &accepted.user_variables {
            match item {
                UserVariableItem::MaxLength(length) => answer.max_pdu = *length,
                UserVariableItem::ImplementationClassUID(uid) => {
                    answer.implementation_class_uid = Uid::parse(uid).ok();
                }
                UserVariableItem::ImplementationVersionName(name) => {
                    answer.implementation_version = Some(printable(name)).filter(|name| !name.trim().is_empty());
                }
                UserVariableItem::ScuScpRoleSelectionSubItem(class, roles) if !roles.scp => {
                    not_scp.push(class.trim_matches(['\0', ' ']).to_owned());
                }
                _ => {}
            }
        }
        if (1..SMALLEST_PEER_PDU).contains(&answer.max_pdu) {
            return Err("a maximum PDU length that is too small");
        }
        let unanswered = |context: &ProposedContext| ContextAnswer {
            abstract_syntax: context.abstract_syntax.clone(),
            answer: Err(ContextRefusal::Unanswered),
        };
        answer.contexts = proposed.iter().map(unanswered).collect();
        let mut contexts = Vec::new();
        for result in &accepted.presentation_contexts {
            let at = usize::from(result.id / 2);
            let context = proposed.get(at).filter(|_| result.id % 2 == 1);
            let refused = match result.reason {
                PresentationContextResultReason::Acceptance => None,
                PresentationContextResultReason::UserRejection => Some(ContextRefusal::User),
                PresentationContextResultReason::NoReason => Some(ContextRefusal::NoReason),
                PresentationContextResultReason::AbstractSyntaxNotSupported => Some(ContextRefusal::AbstractSyntax),
                PresentationContextResultReason::TransferSyntaxesNotSupported => Some(ContextRefusal::TransferSyntaxes),
            };
            let (Some(context), Some(said)) = (context, answer.contexts.get_mut(at)) else {
                match refused {
                    // A refusal of what nobody proposed is odd and harms nothing.
                    Some(_) => continue,
                    None => return Err("an accepted presentation context that was not proposed"),
                }
            };
            if let Some(refusal) = refused {
                said.answer = Err(refusal);
                continue;
            }
            let Ok(syntax) = Uid::parse(&result.transfer_syntax) else {
                return Err("an accepted presentation context that was not proposed");
            };
            if !context.transfer_syntaxes.contains(&syntax) {
                return Err("an accepted transfer syntax that was not proposed");
            }
            if context.role == Role::Scp && not_scp.iter().any(|class| class == context.abstract_syntax.as_str()) {
                said.answer = Err(ContextRefusal::User);
                continue;
            }
            said.answer = Ok(syntax.clone());
            contexts.push(Context {
                id: result.id,
                abstract_syntax: context.abstract_syntax.clone(),
                transfer_syntax: syntax,
            });
        }
        Ok((answer, contexts))
    }
}

/// The whole A-ASSOCIATE-RQ; context identifiers are 1, 3, 5, ... in the given order.
pub(crate) fn request_pdu(
    remote: &Remote,
    options: &RequestorOptions,
    contexts: &[ProposedContext],
) -> Option<Vec<u8>> {
    let text = |uid: &Uid| uid.as_str().to_owned();
    let proposed = (1..=u8::MAX).step_by(2).zip(contexts).map(|(id, context)| PresentationContextProposed {
        id,
        abstract_syntax: text(&context.abstract_syntax),
        transfer_syntaxes: context.transfer_syntaxes.iter().map(text).collect(),
    });
    let mut user_variables =
        user_items(options.max_pdu, &options.implementation_class_uid, &options.implementation_version);
    let mut served: Vec<&Uid> = Vec::new();
    for class in contexts.iter().filter(|c| c.role == Role::Scp).map(|c| &c.abstract_syntax) {
        if !served.contains(&class) {
            served.push(class);
            let roles = RequestorRoles { scu: false, scp: true };
            user_variables.push(UserVariableItem::ScuScpRoleSelectionSubItem(text(class), roles));
        }
    }
    let request = Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: options.calling.as_str().to_owned(),
        called_ae_title: remote.ae_title.as_str().to_owned(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: proposed.collect(),
        user_variables,
    });
    let mut pdu = Vec::new();
    write_pdu(&mut pdu, &request).ok()?;
    Some(pdu)
}

/// A UID of the standard, which is valid.
pub(crate) fn constant(uid: &'static str) -> Uid {
    Uid::parse(uid).expect("a UID of the standard")
}
