//! The purpose of a route.

use crate::domain::Scope;
use crate::http::Class;

/// The purpose of a route: the scope that it needs, and the rate limit that counts it.
pub trait Purpose: Send + Sync + 'static {
    /// `None` if any credential may do it.
    const SCOPE: Option<Scope>;
    const CLASS: Class;
    /// Whether a token may be sent without a header, as browsers' `EventSource` does.
    const HEADERLESS_TOKEN: bool = false;
    /// Whether the audit log records its acts as the caller's. Reading is recorded only if all data can leave by it.
    const IS_RECORDED: bool = !matches!(Self::CLASS, Class::Read);
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident: $scope:ident, $class:ident;)*) => {
        $($(#[$doc])*
        pub enum $name {}

        impl Purpose for $name {
            const SCOPE: Option<Scope> = Some(Scope::$scope);
            const CLASS: Class = Class::$class;
        })*
    };
}

purposes! {
    /// Storing captured events.
    Capture: Capture, Capture;
    ReadSessions: SessionsRead, Read;
    WriteSessions: SessionsWrite, Write;
    ReadEvents: EventsRead, Read;
    WriteEvents: EventsWrite, Write;
    ReadAgents: AgentsRead, Read;
    WriteAgents: AgentsWrite, Write;
    /// Managing API keys and the organization itself.
    Manage: Manage, Write;
    /// Reading the settings of the organization.
    ReadSettings: Manage, Read;
    EraseData: DataErase, Write;
    ReadErasures: DataErase, Read;
    ReadAudit: AuditRead, Read;
}

/// Reading everything that is stored.
pub enum Export {}

impl Purpose for Export {
    const SCOPE: Option<Scope> = Some(Scope::Export);
    const CLASS: Class = Class::Read;
    const IS_RECORDED: bool = true;
}

/// Reading what the credential itself is.
pub enum Identify {}

impl Purpose for Identify {
    const SCOPE: Option<Scope> = None;
    const CLASS: Class = Class::Read;
}

/// Ending the caller's own login.
pub enum EndLogin {}

impl Purpose for EndLogin {
    const SCOPE: Option<Scope> = None;
    const CLASS: Class = Class::Write;
}

/// Following events, also from a browser.
pub enum FollowEvents {}

impl Purpose for FollowEvents {
    const SCOPE: Option<Scope> = ReadEvents::SCOPE;
    const CLASS: Class = ReadEvents::CLASS;
    const HEADERLESS_TOKEN: bool = true;
}
