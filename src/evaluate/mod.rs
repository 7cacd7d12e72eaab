//! Evaluation: labelled films in, figures of merit out, so that a site can test a model on its own
//! films. Research only: nothing of it reaches a PACS, and nothing here reads a header's patient.
//!
//! In the order of the data: [`table`] reads the labels, [`rows`] says which films count and what is
//! true of them, [`folder`] finds the files, [`scoring`] scores them, [`results`] makes the figures,
//! [`files`] and [`text`] show them.

pub mod files;
pub mod folder;
pub mod results;
pub mod rows;
pub mod scoring;
pub mod table;
pub mod text;
