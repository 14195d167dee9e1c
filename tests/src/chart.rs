//! The Helm chart's templates, made of the manifests: what an administrator may choose becomes a value, all else stays text.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::binaries;

/// Kinds that live in no namespace.
const CLUSTER_SCOPED: [&str; 5] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];
const NAMESPACE: &str = "namespace: {{ .Release.Namespace }}\n";
const IMAGE: &str = "          image: {{ include \"lightship.image\" . }}
          {{- with .Values.image.pullPolicy }}
          imagePullPolicy: {{ . }}
          {{- end }}
";
const PULL_SECRETS: &str = "      {{- with .Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
";

/// The folder of the chart.
#[must_use]
pub fn folder() -> PathBuf {
    binaries::source().join("manifests/chart")
}

/// Every generated template, by its path in the chart: one for each resource of the kustomization.
pub fn templates() -> Result<BTreeMap<PathBuf, String>> {
    let manifests = binaries::source().join("manifests");
    let listed = read(&manifests.join("kustomization.yaml"))?;
    let resources = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  - "))
        .filter(|item| Path::new(item).extension().is_some_and(|end| end == "yaml"));
    resources
        .map(|resource| {
            let text = read(&manifests.join(resource))?;
            let made = template(&text).with_context(|| format!("failed to make a template of {resource}"))?;
            Ok((Path::new("templates").join(resource), made))
        })
        .collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

fn template(text: &str) -> Result<String> {
    let text = text.replace("{{", "{{ \"{{\" }}");
    let documents: Result<Vec<String>> = text.split("---\n").map(document).collect();
    Ok(documents?.join("---\n"))
}

fn document(text: &str) -> Result<String> {
    let kind = text.lines().find_map(|line| line.strip_prefix("kind: "));
    let kind = kind.context("a document has no kind")?;
    let text = if CLUSTER_SCOPED.contains(&kind) {
        text.to_owned()
    } else {
        after(text, "metadata:\n  name: ", &format!("  {NAMESPACE}"))?
    };
    match kind {
        "RoleBinding" | "ClusterRoleBinding" => after(
            &text,
            "subjects:\n  - kind: ServiceAccount\n    name: ",
            &format!("    {NAMESPACE}"),
        ),
        "Deployment" => workload(&text, "operator").and_then(|text| {
            instead(
                &text,
                "  replicas: ",
                "  replicas: {{ .Values.operator.replicas }}\n",
            )
        }),
        "DaemonSet" => workload(&text, "agent")
            .and_then(|text| block(&text, "        seccompProfile:\n", ".Values.agent.seccompProfile")),
        "CustomResourceDefinition" => {
            let kept = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n";
            let text = instead(&text, "metadata:\n", kept)?;
            Ok(format!(
                "{{{{- if .Values.crds.install }}}}\n{text}{{{{- end }}}}\n"
            ))
        }
        _ => Ok(text),
    }
}

/// What may be chosen about the pods of a component.
fn workload(text: &str, component: &str) -> Result<String> {
    let values = format!(".Values.{component}");
    let args = format!(
        "          args: [{component}{{{{ range {values}.extraArgs }}}}, {{{{ . | quote }}}}{{{{ end }}}}]\n"
    );
    let environment = format!(
        "            {{{{- with {values}.extraEnv }}}}\n            {{{{- toYaml . | nindent 12 }}}}\n            {{{{- end }}}}\n"
    );
    let text = instead(text, "          image: ", IMAGE)?;
    let text = instead(&text, "          args: ", &args)?;
    let text = before(&text, "          ports:\n", &environment)?;
    let text = before(&text, "      serviceAccountName: ", PULL_SECRETS)?;
    let text = block(&text, "      nodeSelector:\n", &format!("{values}.nodeSelector"))?;
    let text = block(&text, "      tolerations:\n", &format!("{values}.tolerations"))?;
    block(&text, "          resources:\n", &format!("{values}.resources"))
}

/// Where a line of the source begins that begins like this; it must be the only one.
fn only(text: &str, start: &str) -> Result<usize> {
    let found: Vec<usize> = text
        .match_indices(start)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || text[..*at].ends_with('\n'))
        .collect();
    match found[..] {
        [at] => Ok(at),
        _ => bail!("{start:?} was looked for once and found {} times", found.len()),
    }
}

fn end_of_line(text: &str, from: usize) -> usize {
    text[from..]
        .find('\n')
        .map_or(text.len(), |length| from + length + 1)
}

/// Adds lines after the line that what was looked for ends in.
fn after(text: &str, start: &str, added: &str) -> Result<String> {
    let end = end_of_line(text, only(text, start)? + start.len());
    Ok(format!("{}{added}{}", &text[..end], &text[end..]))
}

fn before(text: &str, start: &str, added: &str) -> Result<String> {
    let at = only(text, start)?;
    Ok(format!("{}{added}{}", &text[..at], &text[at..]))
}

/// Other text instead of one line.
fn instead(text: &str, start: &str, other: &str) -> Result<String> {
    let at = only(text, start)?;
    Ok(format!(
        "{}{other}{}",
        &text[..at],
        &text[end_of_line(text, at)..]
    ))
}

/// A value instead of all that is indented deeper than a heading.
fn block(text: &str, heading: &str, value: &str) -> Result<String> {
    let body = only(text, heading)? + heading.len();
    let depth = heading.len() - heading.trim_start().len() + 2;
    let indent = " ".repeat(depth);
    let length: usize = text[body..]
        .split_inclusive('\n')
        .take_while(|line| line.starts_with(&indent))
        .map(str::len)
        .sum();
    ensure!(length > 0, "nothing follows {heading:?}");
    let made = format!("{indent}{{{{- toYaml {value} | nindent {depth} }}}}\n");
    Ok(format!("{}{made}{}", &text[..body], &text[body + length..]))
}
