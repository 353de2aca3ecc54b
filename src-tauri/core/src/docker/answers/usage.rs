//! What engines answer when they are asked what takes their disk.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{garbled, or_default, read};
use crate::docker::EngineError;
use crate::rules::disk::{Holdings, ImageUsage, Usage, VolumeUsage};
use crate::rules::ids::ContainerId;

/// Up to API 1.51 the lists stand by themselves; from 1.52 on each stands in a summary of its kind.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DiskUsage {
    #[serde(default, deserialize_with = "or_default")]
    images: Vec<Image>,
    #[serde(default, deserialize_with = "or_default")]
    volumes: Vec<Volume>,
    #[serde(default)]
    image_usage: Option<Summary<Image>>,
    #[serde(default)]
    volume_usage: Option<Summary<Volume>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary<T> {
    items: Option<Vec<T>>,
}

impl<T> Summary<T> {
    fn items(told: Option<Self>) -> Vec<T> {
        told.and_then(|summary| summary.items).unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    size: i64,
    #[serde(default, deserialize_with = "or_default")]
    shared_size: i64,
    /// Below zero where it was not counted.
    #[serde(default)]
    containers: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    name: String,
    #[serde(default)]
    usage_data: Option<VolumeData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeData {
    /// Below zero where the driver does not tell.
    #[serde(default)]
    size: Option<i64>,
    #[serde(default)]
    ref_count: Option<i64>,
}

pub(in crate::docker) fn usage(body: &[u8], tried: &str) -> Result<Usage, EngineError> {
    let told: DiskUsage = read(body, tried)?;
    let images = told.images.into_iter().chain(Summary::items(told.image_usage));
    let volumes = told.volumes.into_iter().chain(Summary::items(told.volume_usage));
    let mut usage = Usage::default();
    for image in images {
        let image_id = whole(image.id);
        // An engine between the two forms says it in both.
        if usage.images.iter().any(|known| known.image_id == image_id) {
            continue;
        }
        usage.images.push(ImageUsage {
            image_id,
            bytes: u64::try_from(image.size).unwrap_or(0),
            // Not measured is below zero; what may be shared is not promised.
            shared_bytes: u64::try_from(image.shared_size).unwrap_or(u64::MAX),
            users: image.containers.and_then(|count| u64::try_from(count).ok()),
        });
    }
    for volume in volumes {
        if usage.volumes.iter().any(|known| known.name == volume.name) {
            continue;
        }
        let data = volume.usage_data.unwrap_or(VolumeData { size: None, ref_count: None });
        usage.volumes.push(VolumeUsage {
            name: volume.name,
            bytes: data.size.and_then(|bytes| u64::try_from(bytes).ok()),
            users: data.ref_count.and_then(|count| u64::try_from(count).ok()),
        });
    }
    Ok(usage)
}

/// Of an inspect, what the container holds.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Measured {
    id: String,
    #[serde(default)]
    size_rw: Option<i64>,
    #[serde(default, deserialize_with = "or_default")]
    mounts: Vec<Mount>,
    #[serde(default, deserialize_with = "or_default")]
    network_settings: Networks,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type", default, deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Networks {
    #[serde(default, deserialize_with = "or_default")]
    networks: BTreeMap<String, IgnoredAny>,
}

pub(in crate::docker) fn holdings(
    body: &[u8],
    asked: &ContainerId,
    tried: &str,
) -> Result<Holdings, EngineError> {
    let seen: Measured = read(body, tried)?;
    if seen.id != asked.as_str() {
        return Err(garbled(tried, format!("it is about {}", seen.id)));
    }
    let volumes = seen.mounts.into_iter().filter(|mount| mount.kind == "volume" && !mount.name.is_empty());
    let mut volumes: Vec<String> = volumes.map(|mount| mount.name).collect();
    volumes.sort();
    volumes.dedup();
    Ok(Holdings {
        writable_bytes: seen.size_rw.and_then(|bytes| u64::try_from(bytes).ok()),
        volumes,
        networks: seen.network_settings.networks.into_keys().collect(),
    })
}

/// Podman leaves out what the id is a digest of, here alone.
fn whole(image_id: String) -> String {
    if image_id.contains(':') { image_id } else { format!("sha256:{image_id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(image_id: &str, bytes: u64, shared_bytes: u64, users: Option<u64>) -> ImageUsage {
        ImageUsage { image_id: image_id.into(), bytes, shared_bytes, users }
    }

    #[test]
    fn the_disk_is_read_in_every_dialect() {
        let expected = Usage {
            images: vec![image("sha256:aa", 100, 40, Some(1))],
            volumes: vec![VolumeUsage { name: "data".into(), bytes: Some(7), users: Some(2) }],
        };
        let cases = [
            // Docker 20.10, which answers with everything
            r#"{"LayersSize":100,"Images":[{"Containers":1,"Created":1,"Id":"sha256:aa","Labels":null,"ParentId":"","RepoDigests":null,"RepoTags":["a:1"],"SharedSize":40,"Size":100,"VirtualSize":100}],"Containers":[{"Id":"cc"}],"Volumes":[{"CreatedAt":"2026-01-01T00:00:00Z","Driver":"local","Labels":null,"Mountpoint":"/v","Name":"data","Options":null,"Scope":"local","UsageData":{"RefCount":2,"Size":7}}],"BuildCache":null}"#,
            // Docker 29
            r#"{"ImageUsage":{"ActiveCount":1,"TotalCount":1,"Items":[{"Id":"sha256:aa","Size":100,"SharedSize":40,"Containers":1}]},"VolumeUsage":{"Items":[{"Name":"data","UsageData":{"RefCount":2,"Size":7}}]}}"#,
            // one between the two
            r#"{"Images":[{"Id":"sha256:aa","Size":100,"SharedSize":40,"Containers":1}],"Volumes":[],"ImageUsage":{"Items":[{"Id":"sha256:aa","Size":100,"SharedSize":40,"Containers":1}]},"VolumeUsage":{"Items":[{"Name":"data","UsageData":{"RefCount":2,"Size":7}}]}}"#,
        ];
        for body in cases {
            assert_eq!(usage(body.as_bytes(), "t").unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn what_was_not_measured_is_not_known() {
        let body = r#"{"Images":[{"Id":"aa","Size":100,"SharedSize":-1,"Containers":-1}],"Volumes":[{"Name":"a","UsageData":{"Size":-1,"RefCount":-1}},{"Name":"b"}]}"#;
        let read = usage(body.as_bytes(), "t").unwrap();
        assert_eq!(read.images, [image("sha256:aa", 100, u64::MAX, None)]);
        assert!(read.volumes.iter().all(|v| v.bytes.is_none() && v.users.is_none()), "{read:?}");
        for empty in
            ["{}", r#"{"Images":null,"Volumes":null,"ImageUsage":null}"#, r#"{"ImageUsage":{"Items":null}}"#]
        {
            assert_eq!(usage(empty.as_bytes(), "t").unwrap(), Usage::default(), "{empty}");
        }
        for body in ["", "7", "null", r#"{"Images":[{"Size":1}]}"#] {
            assert!(matches!(usage(body.as_bytes(), "t"), Err(EngineError::Garbled { .. })), "{body}");
        }
    }

    #[test]
    fn what_a_container_holds_is_its_layer_its_volumes_and_its_networks() {
        let id = ContainerId::new("cc");
        let body = r#"{"Id":"cc","SizeRw":12,"SizeRootFs":1000,"Mounts":[{"Type":"volume","Name":"b"},{"Type":"bind","Source":"/etc"},{"Type":"volume","Name":"a"},{"Type":"volume","Name":"b"},{"Type":"tmpfs"}],"NetworkSettings":{"Networks":{"shop_default":{"IPAddress":""},"bridge":null}}}"#;
        let read = holdings(body.as_bytes(), &id, "t").unwrap();
        assert_eq!(read.writable_bytes, Some(12));
        assert_eq!(read.volumes, ["a", "b"]);
        assert_eq!(read.networks, ["bridge", "shop_default"]);
        let bare = holdings(br#"{"Id":"cc","SizeRw":-1,"Mounts":null,"NetworkSettings":null}"#, &id, "t");
        assert_eq!(bare, Ok(Holdings::default()));
        let other = holdings(br#"{"Id":"dd"}"#, &id, "t").unwrap_err();
        assert!(matches!(other, EngineError::Garbled { .. }), "{other}");
    }
}
