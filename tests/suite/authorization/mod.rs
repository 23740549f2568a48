//! Every operation against every kind of credential, and every foreign object against an absent one.
//!
//! [`table`] states what each operation needs, [`credentials`] what each credential is and what a surface accepts, and
//! [`matrix`] sends every operation with every credential. [`absent`] compares the responses about another
//! organization's objects with those about objects that no organization has.

mod absent;
pub mod credentials;
pub mod matrix;
pub mod objects;
pub mod rows;
pub mod table;
