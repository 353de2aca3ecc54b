//! What lies on the engine's disk.

use std::collections::BTreeMap;

use super::{Container, World};
use crate::rules::disk::{Holdings, ImageUsage, Usage, VolumeUsage};
use crate::rules::ids::ContainerId;

/// The network that everything is in.
pub(in crate::docker::fake) const NETWORK: &str = "bridge";

impl World {
    pub(in crate::docker::fake) fn usage(&self) -> Usage {
        let mut images: BTreeMap<&str, ImageUsage> = BTreeMap::new();
        let mut volumes: BTreeMap<&str, VolumeUsage> = BTreeMap::new();
        for Container { spec, .. } in self.containers.values() {
            let image = images.entry(&spec.image_id).or_insert_with(|| ImageUsage {
                image_id: spec.image_id.clone(),
                bytes: spec.image_bytes,
                shared_bytes: spec.image_shared_bytes,
                users: Some(0),
            });
            image.users = image.users.map(|count| count + 1);
            for (name, bytes) in &spec.volumes {
                let volume = volumes.entry(name).or_insert_with(|| VolumeUsage {
                    name: name.clone(),
                    bytes: Some(*bytes),
                    users: Some(0),
                });
                volume.users = volume.users.map(|count| count + 1);
            }
        }
        Usage { images: images.into_values().collect(), volumes: volumes.into_values().collect() }
    }

    pub(in crate::docker::fake) fn holdings(&self, id: &ContainerId) -> Option<Holdings> {
        let spec = &self.containers.get(id)?.spec;
        let mut volumes: Vec<String> = spec.volumes.iter().map(|(name, _)| name.clone()).collect();
        volumes.sort();
        volumes.dedup();
        Some(Holdings {
            writable_bytes: Some(spec.writable_bytes),
            volumes,
            networks: vec![NETWORK.to_owned()],
        })
    }
}
