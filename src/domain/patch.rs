//! A change of one member: absent leaves it unchanged, null clears it, a value replaces it.

/// A member in the body of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The member is absent.
    #[default]
    Keep,
    /// The member is `null`.
    Clear,
    Set(T),
}

impl<T> From<Option<T>> for Patch<T> {
    /// Converts a member that is present.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl<T> Patch<T> {
    /// Returns whether the member is left as it is.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Returns the value that is set, by reference.
    #[must_use]
    pub fn as_set(&self) -> Option<&T> {
        if let Self::Set(value) = self { Some(value) } else { None }
    }

    /// Returns the value for a create, where null means the same as absent.
    #[must_use]
    pub fn set(self) -> Option<T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Applies the change to a value that may be absent.
    pub fn apply_to(self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *value = None,
            Self::Set(new) => *value = Some(new),
        }
    }

    /// Applies the change to a value that always exists: null sets the default.
    pub fn apply_or(self, value: &mut T, default: T) {
        match self {
            Self::Keep => {}
            Self::Clear => *value = default,
            Self::Set(new) => *value = new,
        }
    }
}
