//! What a route is for: the scope that it needs, and the rate limit that counts it.

use crate::domain::Scope;
use crate::http::Class;

/// What a route is for: the scope it needs, and which rate limit counts it.
pub trait Purpose: Send + Sync + 'static {
    const SCOPE: Scope;
    const CLASS: Class;
    /// Whether a token may come without a header, as browsers' `EventSource` sends it.
    const HEADERLESS_TOKEN: bool = false;
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident: $scope:ident, $class:ident;)*) => {
        $($(#[$doc])*
        pub enum $name {}

        impl Purpose for $name {
            const SCOPE: Scope = Scope::$scope;
            const CLASS: Class = Class::$class;
        })*
    };
}

purposes! {
    /// Writing down what happened elsewhere.
    Capture: Capture, Capture;
    ReadSessions: SessionsRead, Read;
    WriteSessions: SessionsWrite, Write;
    ReadEvents: EventsRead, Read;
    WriteEvents: EventsWrite, Write;
    ReadAgents: AgentsRead, Read;
    WriteAgents: AgentsWrite, Write;
    /// API keys and the organization itself.
    Manage: Manage, Write;
}

/// Following what happens, from a browser as well.
pub enum FollowEvents {}

impl Purpose for FollowEvents {
    const SCOPE: Scope = ReadEvents::SCOPE;
    const CLASS: Class = ReadEvents::CLASS;
    const HEADERLESS_TOKEN: bool = true;
}
