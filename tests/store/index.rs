//! The two write paths of the index.

use tinyforge_core::rules::container::State;

use super::world::*;

#[tokio::test]
async fn what_was_inserted_reads_back_whole_and_is_announced_once_after_the_commit() {
    let (store, mut ear) = in_memory();
    let row = row("web", State::Running);
    let revision = store.commit_index(commit(vec![insert(&row, at(5))], at(5))).await.unwrap();
    assert_eq!(revision, 1);
    assert_eq!(store.load_index(&engine()).await.unwrap().rows, [row.clone()]);
    let change = heard_one(&mut ear).await;
    assert_eq!((change.revision, change.upserts.as_slice()), (1, [row].as_slice()));
    assert_eq!(change.history.len(), 1);
}
