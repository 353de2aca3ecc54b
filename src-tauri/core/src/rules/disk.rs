//! What a container occupies on the engine's disk, and what of it comes free with it.

/// What an engine says of the space that its images and volumes take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    pub images: Vec<ImageUsage>,
    pub volumes: Vec<VolumeUsage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUsage {
    pub image_id: String,
    pub bytes: u64,
    /// Of these, what other images have too.
    pub shared_bytes: u64,
    /// Containers that were made of it, in any state; `None` where the engine did not count.
    pub users: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    pub name: String,
    /// `None` where its driver does not tell.
    pub bytes: Option<u64>,
    /// Containers that mount it, in any state; `None` where the engine did not count.
    pub users: Option<u64>,
}

/// What one container holds of the engine's things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Its writable layer; `None` where the engine did not measure it.
    pub writable_bytes: Option<u64>,
    /// The names of the volumes it mounts.
    pub volumes: Vec<String>,
    /// The names of the networks it is in.
    pub networks: Vec<String>,
}

/// How a container is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It waits in the bin until its grace ends.
    ByTheBin,
    /// It is gone at once: Compose would revive or delete what waits.
    AtOnce,
}

/// What comes free with a container, in bytes. What others use too is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freed {
    /// By its removal itself.
    pub now: u64,
    /// When its time in the bin is over: its writable layer, and the image that only it uses.
    pub later: u64,
    /// The volumes that only it holds. They go only when somebody removes them by their name.
    pub volumes: Vec<HeldVolume>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldVolume {
    pub name: String,
    /// `None` where its driver does not tell.
    pub bytes: Option<u64>,
}

impl Freed {
    /// All of it, the volumes that only it holds among it.
    #[must_use]
    pub fn total(&self) -> u64 {
        let volumes = self.volumes.iter().filter_map(|volume| volume.bytes);
        volumes.fold(self.now.saturating_add(self.later), u64::saturating_add)
    }
}

/// What comes free with a container of that image.
#[must_use]
pub fn freed(image_id: &str, holds: &Holdings, usage: &Usage, removal: Removal) -> Freed {
    let layer = holds.writable_bytes.unwrap_or(0);
    let image = usage.images.iter().find(|image| bare(&image.image_id) == bare(image_id));
    let image = image.filter(|image| image.users == Some(1) && !image_id.is_empty());
    let own = layer.saturating_add(image.map_or(0, |image| image.bytes.saturating_sub(image.shared_bytes)));
    let held = |name: &String| {
        let volume = usage.volumes.iter().find(|volume| volume.name == *name)?;
        (volume.users == Some(1)).then(|| HeldVolume { name: name.clone(), bytes: volume.bytes })
    };
    let (now, later) = match removal {
        Removal::ByTheBin => (0, own),
        Removal::AtOnce => (own, 0),
    };
    Freed { now, later, volumes: holds.volumes.iter().filter_map(held).collect() }
}

/// Some engines leave the algorithm out.
fn bare(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "sha256:aa";

    fn image(bytes: u64, shared_bytes: u64, users: Option<u64>) -> ImageUsage {
        ImageUsage { image_id: "aa".into(), bytes, shared_bytes, users }
    }

    fn volume(name: &str, bytes: Option<u64>, users: Option<u64>) -> VolumeUsage {
        VolumeUsage { name: name.into(), bytes, users }
    }

    fn holds(volumes: &[&str]) -> Holdings {
        Holdings {
            writable_bytes: Some(7),
            volumes: volumes.iter().map(|name| (*name).to_owned()).collect(),
            networks: vec![],
        }
    }

    #[test]
    fn only_what_nobody_else_has_comes_free() {
        let of = |image, volumes: Vec<VolumeUsage>| {
            let usage = Usage { images: vec![image], volumes };
            freed(IMAGE, &holds(&["data", "logs"]), &usage, Removal::ByTheBin)
        };
        let both = vec![volume("data", Some(500), Some(1)), volume("logs", Some(60), Some(2))];
        let cases = [
            // the image is its own, the layers that others share are not
            (image(1_000, 400, Some(1)), both.clone(), 607, 1_107),
            (image(1_000, 0, Some(2)), both.clone(), 7, 507),
            // what was not counted is not promised
            (image(1_000, 0, None), both, 7, 507),
            (image(1_000, 0, Some(0)), vec![volume("data", Some(500), None)], 7, 7),
            // an engine that contradicts itself frees nothing
            (image(400, 1_000, Some(1)), vec![], 7, 7),
        ];
        for (image, volumes, later, total) in cases {
            let found = of(image.clone(), volumes);
            assert_eq!((found.now, found.later, found.total()), (0, later, total), "{image:?}");
        }
    }

    #[test]
    fn a_volume_that_does_not_tell_its_size_is_named_all_the_same() {
        let usage = Usage { images: vec![], volumes: vec![volume("remote", None, Some(1))] };
        let found = freed(IMAGE, &holds(&["remote"]), &usage, Removal::ByTheBin);
        assert_eq!(found.volumes, [HeldVolume { name: "remote".into(), bytes: None }]);
        assert_eq!(found.total(), 7);
    }

    #[test]
    fn what_compose_removes_is_free_at_once_and_its_volumes_stay() {
        let usage =
            Usage { images: vec![image(1_000, 0, Some(1))], volumes: vec![volume("data", Some(5), Some(1))] };
        let found = freed(IMAGE, &holds(&["data"]), &usage, Removal::AtOnce);
        assert_eq!((found.now, found.later, found.total()), (1_007, 0, 1_012));
    }

    #[test]
    fn no_size_overflows() {
        let usage = Usage {
            images: vec![image(u64::MAX, 0, Some(1))],
            volumes: vec![volume("data", Some(u64::MAX), Some(1))],
        };
        let holds = Holdings { writable_bytes: Some(u64::MAX), ..holds(&["data"]) };
        let found = freed(IMAGE, &holds, &usage, Removal::AtOnce);
        assert_eq!((found.now, found.total()), (u64::MAX, u64::MAX));
        let nothing = freed("", &Holdings::default(), &usage, Removal::AtOnce);
        assert_eq!(nothing, Freed::default(), "a row without an image has none to free");
    }
}
