//! Store: generations, the links to them, and the conda door.

pub mod layout;
