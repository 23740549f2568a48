//! A change of one member: what is left out stays as it is, null clears, a value takes its place.

/// What a body says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch<T> {
    /// Nothing.
    Keep,
    /// `null`.
    Clear,
    Set(T),
}

impl<T> From<Option<T>> for Patch<T> {
    /// What a member says that is there.
    fn from(said: Option<T>) -> Self {
        said.map_or(Self::Clear, Self::Set)
    }
}

impl<T> Patch<T> {
    /// What a body that makes something says: null is as good as nothing.
    #[must_use]
    pub fn set(self) -> Option<T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// What becomes of a value that may be absent.
    pub fn apply_to(self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *value = None,
            Self::Set(new) => *value = Some(new),
        }
    }

    /// What becomes of a value that is always there: null is its default.
    pub fn apply_or(self, value: &mut T, default: T) {
        match self {
            Self::Keep => {}
            Self::Clear => *value = default,
            Self::Set(new) => *value = new,
        }
    }
}
