//! What can go wrong while receiving, and the one table that maps it to a DIMSE status.

use centinela_domain::header::HeaderError;
use centinela_domain::status::DimseStatus;

/// Why an instance was not kept. Nothing of it stays, so the sender must keep it.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The bytes could not be made durable: disk full or broken.
    #[error("the instance could not be made durable: {0:#}")]
    Blob(anyhow::Error),
    /// The row could not be made durable.
    #[error("the row could not be written: {0:#}")]
    Database(#[from] anyhow::Error),
    /// The header cannot be read at all.
    #[error("the data set cannot be read: {0}")]
    Header(HeaderError),
    /// Command set and data set name different SOP classes or instances.
    #[error("SOP class or instance of the data set differ from the command set's")]
    Mismatch,
    /// Other bytes under a known UID, which `[dicom] conflicts` refuses.
    #[error("another instance is known under this UID, and [dicom] conflicts = \"refuse\"")]
    Conflict,
}

impl IngestError {
    /// What the rows tell.
    pub fn database(text: &str) -> Self {
        Self::Database(anyhow::anyhow!("{text}"))
    }

    /// The same for another of several instances that became durable together.
    pub fn shared(&self) -> Self {
        match self {
            Self::Blob(error) => Self::Blob(anyhow::anyhow!("{error:#}")),
            Self::Database(error) => Self::Database(anyhow::anyhow!("{error:#}")),
            other => Self::database(&other.to_string()),
        }
    }

    /// PS3.4 table B.2-1.
    pub const fn status(&self) -> DimseStatus {
        match self {
            Self::Blob(_) | Self::Database(_) => DimseStatus::OUT_OF_RESOURCES,
            Self::Header(_) => DimseStatus::CANNOT_UNDERSTAND,
            Self::Mismatch => DimseStatus::DATA_SET_MISMATCH,
            Self::Conflict => DimseStatus::DUPLICATE_SOP_INSTANCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_status() {
        let io = || anyhow::anyhow!("no space left on device");
        assert_eq!(IngestError::Blob(io()).status(), DimseStatus(0xA700));
        assert_eq!(IngestError::Database(io()).status(), DimseStatus(0xA700));
        assert_eq!(IngestError::Mismatch.status(), DimseStatus(0xA900));
        assert_eq!(IngestError::Conflict.status(), DimseStatus(0x0111));
    }

    #[test]
    fn all_of_a_group_hear_the_same() {
        for error in [IngestError::Blob, IngestError::Database] {
            let error = error(anyhow::anyhow!("EIO").context("fsync"));
            assert_eq!(format!("{:#}", error.shared()), format!("{error:#}"));
        }
    }
}
