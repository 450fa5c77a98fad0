//! What of a stack swarm serves through the kernel's IPVS: ports of its routing mesh, and services that share one address.
//! Source: Docker's documentation, "Use swarm mode routing mesh" and "Manage swarm service networks".

use std::collections::BTreeSet;

use serde_json::Value;

/// The use that a stack makes of IPVS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByIpvs {
    /// This service publishes a port in ingress mode, as it is without `mode: host`.
    Port(String),
    /// This service has an address of its own before its tasks, as it is without `endpoint_mode: dnsrr`, and others to reach it.
    Address(String),
}

impl ByIpvs {
    /// The first use that the services of `document` make of it; those in `without` are left out.
    pub fn of(document: &Value, without: &BTreeSet<String>) -> Option<Self> {
        let services = document.get("services")?.as_object()?.iter();
        let services: Vec<_> = services.filter(|(name, _)| !without.contains(*name)).collect();
        let first = |uses: fn(&Value) -> bool| {
            let found = services.iter().find(|(_, service)| uses(service));
            found.map(|(name, _)| (*name).clone())
        };
        let reached = || first(has_virtual_address).filter(|_| services.len() > 1);
        first(has_ingress_port).map(ByIpvs::Port).or_else(|| reached().map(ByIpvs::Address))
    }
}

fn has_ingress_port(service: &Value) -> bool {
    let ports = service.get("ports").and_then(Value::as_array);
    ports.into_iter().flatten().any(|port| port.get("mode").and_then(Value::as_str) != Some("host"))
}

fn has_virtual_address(service: &Value) -> bool {
    service.pointer("/deploy/endpoint_mode").and_then(Value::as_str) != Some("dnsrr")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(web: Value, without: &[&str]) -> Option<ByIpvs> {
        let db = json!({ "image": "db", "deploy": { "endpoint_mode": "dnsrr" } });
        let without = without.iter().map(ToString::to_string).collect();
        ByIpvs::of(&json!({ "services": { "db": db, "web": web } }), &without)
    }

    #[test]
    fn ports_of_the_routing_mesh_and_addresses_before_tasks_need_it() {
        let port = Some(ByIpvs::Port("web".to_owned()));
        let dnsrr = json!({ "endpoint_mode": "dnsrr" });
        let host = json!([{ "target": 80, "published": 80, "mode": "host" }]);
        assert_eq!(of(json!({ "ports": ["80:80"], "deploy": dnsrr }), &[]), port);
        assert_eq!(of(json!({ "ports": [host[0], { "target": 81 }], "deploy": dnsrr }), &[]), port);
        assert_eq!(of(json!({ "ports": host, "deploy": dnsrr }), &[]), None);
        assert_eq!(of(json!({ "ports": host }), &[]), Some(ByIpvs::Address("web".to_owned())));
        // Nobody is there to reach the one that is left.
        assert_eq!(of(json!({ "ports": host }), &["db"]), None);
        assert_eq!(of(json!({ "ports": ["80:80"] }), &["web"]), None);
    }
}
