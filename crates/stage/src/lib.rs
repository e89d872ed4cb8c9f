//! A site with users, distribution points and packages behind a listener, for the tests of the front ends.
