//! Public integers.

use std::collections::HashSet;

use futures::future::join_all;
use sessionary::domain::{Mint, OrgId};
use sessionary::store::{Series, Store, StoreSettings};

use crate::support::{database, run};

#[test]
fn replicas_that_count_at_once_never_give_a_number_twice() {
    run(async {
        let org = OrgId(Mint::system().uuid());
        let mut replicas = Vec::new();
        for _ in 0..3 {
            replicas.push(Store::connect(database().await, StoreSettings::default()).await.expect("a store"));
        }
        let numbers = join_all((0..600).map(|n| {
            let tenant = replicas[n % 3].tenant(org);
            async move { tenant.numbers().next(Series::Sessions).await.expect("a number") }
        }))
        .await;
        let distinct: HashSet<i64> = numbers.iter().copied().collect();
        assert_eq!(distinct.len(), 600);
        assert!(numbers.iter().all(|number| (1..10_000).contains(number)), "{numbers:?}");
        for replica in replicas {
            replica.close().await;
        }
    });
}

#[test]
fn organizations_and_series_count_for_themselves() {
    run(async {
        let store = Store::connect(database().await, StoreSettings::default()).await.expect("a store");
        let (a, b) = (OrgId(Mint::system().uuid()), OrgId(Mint::system().uuid()));
        for (org, series) in [(a, Series::Sessions), (b, Series::Sessions), (a, Series::Avatars)] {
            let tenant = store.tenant(org);
            let numbers = tenant.numbers();
            assert_eq!(numbers.next(series).await.expect("a number"), 1);
            assert_eq!(numbers.next(series).await.expect("a number"), 2);
        }
        store.close().await;
    });
}
