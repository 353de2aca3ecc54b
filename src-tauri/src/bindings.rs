//! The commands and events as the web view sees them, and the file that says so to TypeScript.

use tauri::Wry;
use tauri_specta::{Builder, ErrorHandlingMode, collect_commands, collect_events};

use crate::commands::{backups, containers, health, notices, outgoing, settings, stale, window};
use crate::events::{Announced, CloseAsked, ContainerChosen, PlaceChosen, StandingChanged};

pub fn builder() -> Builder<Wry> {
    Builder::new()
        .error_handling(ErrorHandlingMode::Throw)
        // No number of ours comes near 2^53, up to which JavaScript counts exactly.
        .dangerously_cast_bigints_to_number()
        .disable_serde_phases()
        .commands(collect_commands![
            backups::backup_create,
            backups::backup_list,
            containers::at,
            containers::history,
            containers::inspect,
            containers::ps,
            containers::restart,
            containers::snapshot,
            containers::start,
            containers::stop,
            health::doctor,
            health::events,
            health::status,
            health::verify,
            notices::notice_rules,
            notices::notices,
            notices::notices_mute,
            notices::notices_pause,
            notices::notices_resume,
            outgoing::outgoing_deliveries,
            outgoing::outgoing_webhook,
            outgoing::remove_outgoing_webhook,
            outgoing::set_outgoing_webhook,
            outgoing::test_outgoing_webhook,
            settings::set_setting,
            settings::settings,
            stale::pin,
            stale::snooze,
            stale::stale,
            stale::stale_threshold,
            stale::stale_why,
            stale::unpin,
            window::keep_running,
            window::leave_demo,
            window::quit,
            window::standing,
            window::try_again,
            window::try_demo,
        ])
        .events(collect_events![Announced, CloseAsked, ContainerChosen, PlaceChosen, StandingChanged])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use specta_typescript::Typescript;
    use tinyforge_core::control::commands::*;
    use tinyforge_core::every_command;

    use super::*;

    /// Set to anything, the test writes the file instead of complaining about it.
    const REWRITE: &str = "TINYFORGE_WRITE_BINDINGS";

    fn at(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    fn exported() -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bindings.ts");
        builder().export(Typescript::default(), &file).unwrap();
        std::fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn the_bindings_of_the_window_are_current() {
        let file = at("../ui/src/lib/api/bindings.ts");
        let now = exported();
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(&file, &now).unwrap();
        }
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(before == now, "ui/src/lib/api/bindings.ts is not current: run this test with {REWRITE}=1");
    }

    #[test]
    fn every_command_of_the_list_is_there_and_granted_by_name_and_nothing_else_is() {
        macro_rules! names {
            ($($command:ident),* $(,)?) => { [$($command::NAME),*] };
        }
        let of_the_window = ["keep_running", "leave_demo", "quit", "standing", "try_again", "try_demo"];
        let expected: BTreeSet<String> =
            every_command!(names).into_iter().chain(of_the_window).map(str::to_owned).collect();

        let capability = std::fs::read_to_string(at("capabilities/main.json")).unwrap();
        let capability: serde_json::Value = serde_json::from_str(&capability).unwrap();
        let granted: BTreeSet<String> = capability["permissions"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|permission| permission.as_str().unwrap().strip_prefix("allow-"))
            .map(|name| name.replace('-', "_"))
            .collect();
        assert_eq!(granted, expected, "the capability grants the command list by name");

        let bound: BTreeSet<String> = exported()
            .split("(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(str::to_owned)
            .collect();
        let unbound: Vec<&String> = expected.difference(&bound).collect();
        assert!(unbound.is_empty(), "not in the bindings: {unbound:?}");
    }
}
