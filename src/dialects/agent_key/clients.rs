//! Recognises the vendor's own clients by their headers. The observed contract applies to them, because they leave out
//! members that the vendor's page requires (docs/dialects/agent-key.md).

use http::{HeaderMap, HeaderValue};

use crate::domain::Contract;

/// A client of the vendor.
struct Client {
    /// The header that it sends with every request.
    header: &'static str,
    /// The beginning of the header's value, in any case.
    begins: &'static str,
}

const CLIENTS: [Client; 2] = [
    // The SDKs in every language. Their generator adds this header to every request.
    Client { header: "x-fern-sdk-name", begins: "" },
    // Any version of the MCP server, such as `Vectara-MCP-Server/2.0`.
    Client { header: "user-agent", begins: "Vectara-MCP-Server/" },
];

impl Client {
    fn sent(&self, headers: &HeaderMap) -> bool {
        headers.get_all(self.header).iter().any(|value| begins_with(value, self.begins))
    }
}

fn begins_with(value: &HeaderValue, prefix: &str) -> bool {
    value.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Returns the contract that applies to a request.
pub(super) fn contract(configured: Contract, headers: &HeaderMap) -> Contract {
    if CLIENTS.iter().any(|client| client.sent(headers)) { Contract::Observed } else { configured }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract_of(sent: &[(&'static str, &'static str)]) -> Contract {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        contract(Contract::Documented, &headers)
    }

    #[test]
    fn each_of_the_vendors_clients_is_recognised() {
        for (client, sent) in [
            (
                "vectara 0.4.3 (Python)",
                &[("user-agent", "vectara/0.4.3"), ("x-fern-language", "Python"), ("x-fern-sdk-name", "vectara")][..],
            ),
            ("vectara (TypeScript)", &[("x-fern-language", "JavaScript"), ("x-fern-sdk-name", "vectara")]),
            ("vectara-mcp 2.0", &[("user-agent", "Vectara-MCP-Server/2.0"), ("accept", "application/json")]),
            ("vectara-mcp, a later version", &[("user-agent", "Vectara-MCP-Server/2.1.3 aiohttp/3.13")]),
            ("vectara-mcp behind a proxy that writes in lower case", &[("user-agent", "vectara-mcp-server/2.0")]),
        ] {
            assert_eq!(contract_of(sent), Contract::Observed, "{client}");
        }
    }

    #[test]
    fn the_documented_contract_applies_to_other_clients() {
        for sent in [
            &[][..],
            &[("user-agent", "curl/8.5.0")],
            &[("user-agent", "Vectara-MCP-Server")],
            &[("user-agent", "like Vectara-MCP-Server/2.0")],
            &[("x-client", "Vectara-MCP-Server/2.0")],
        ] {
            assert_eq!(contract_of(sent), Contract::Documented, "{sent:?}");
            assert_eq!(contract(Contract::Observed, &HeaderMap::new()), Contract::Observed);
        }
    }
}
