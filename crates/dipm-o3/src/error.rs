//! What can go wrong with text from a user.

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum O3Error {
    /// A list of irreps that does not parse.
    #[error("`{text}` is not a list of irreps: {reason}; write for example `16x0e + 8x1o + 4x2e`")]
    Irreps {
        /// The whole text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}
