//! Lightship's Kubernetes kinds and every constant of their contract.
