use super::*;

fn found(text: &str) -> Vec<(usize, String, String)> {
    let problems = problems(text, DefaultClass::LbIpam).unwrap();
    problems
        .into_iter()
        .map(|one| (one.line, one.object, one.what))
        .collect()
}

const POOL: &str = "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\n";
const POLICY: &str = "apiVersion: cilium.io/v2alpha1\nkind: CiliumL2AnnouncementPolicy\n";

/// A document alone, and the words of its only problem.
fn says(document: &str, words: &str) {
    let found = found(document);
    assert!(
        found.len() == 1 && found[0].2.contains(words),
        "\"{words}\" is not the only thing told of {document}: {found:#?}"
    );
}

#[test]
fn what_is_right_is_told_nothing_of() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                   spec: {type: LoadBalancer, ports: [{port: 80, targetPort: http}]}\n";
    let text = format!(
        "# nothing yet\n---\n{POOL}metadata: {{name: a}}\nspec: {{blocks: [{{cidr: 10.0.10.0/24}}]}}\n---\n\
         {POLICY}metadata: {{name: a}}\nspec: {{loadBalancerIPs: true}}\n---\n{service}---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n"
    );
    assert_eq!(found(&text), []);
}

#[test]
fn what_the_api_server_refuses() {
    for (spec, words) in [
        ("blocks: [{}]", "an empty block holds no address"),
        ("blocks: [{cidr: 10.0.10.0}]", "cidr must be a network such as"),
        (
            "blocks: [{start: 10.0.10.9, stop: 10.0.10.1}]",
            "start comes after stop",
        ),
        (
            "blocks: [{cidr: 10.0.10.0/24, sotp: 10.0.10.9}]",
            "unknown field spec.blocks[0].sotp",
        ),
        (
            "blocks: [{cidr: 10.0.10.0/24}], disabled: maybe",
            "it cannot be read",
        ),
    ] {
        says(&format!("{POOL}metadata: {{name: a}}\nspec: {{{spec}}}\n"), words);
    }
    says("a: [", "this is no YAML");
    says("metadata: {name: a}", "an object needs kind and apiVersion");
    let old = POOL.replace("/v2", "/v1");
    says(
        &format!("{old}metadata: {{name: a}}\nspec: {{}}\n"),
        "apiVersion cilium.io/v1 is not served",
    );
}

#[test]
fn what_the_operator_would_complain_of_with_the_line_of_its_document() {
    for (spec, words) in [
        ("loadBalancerIPs: true, interfaces: [\"eth[\"]", "interfaces: "),
        (
            "interfaces: [eth0]",
            "neither loadBalancerIPs nor externalIPs is true",
        ),
        (
            "loadBalancerIPs: true, nodeSelector: {matchExpressions: [{key: a, operator: In, values: []}]}",
            "nodeSelector: ",
        ),
    ] {
        says(
            &format!("{POLICY}metadata: {{name: a}}\nspec: {{{spec}}}\n"),
            words,
        );
    }
    let pool = |name: &str| {
        format!("{POOL}metadata: {{name: {name}}}\nspec: {{blocks: [{{cidr: 10.0.10.0/24}}]}}\n")
    };
    let found = found(&format!("{}---\n{}", pool("a"), pool("b")));
    assert_eq!((found.len(), found[0].0), (1, 6), "{found:#?}");
    assert!(
        found[0].2.contains("overlaps") && found[0].2.contains("of pool a"),
        "{found:#?}"
    );
    says(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {lbipam.cilium.io/ips: ten}}\n\
         spec: {type: LoadBalancer, ports: [{port: 80}]}\n",
        "\"ten\" is requested, but it is no IP address",
    );
}
