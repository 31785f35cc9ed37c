//! Compiles the C side of the `libfabric` feature; without the feature there is nothing to do, and no C compiler is asked for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "libfabric")]
    {
        println!("cargo::rerun-if-changed=src/facility/distributed/engine.c");
        cc::Build::new().file("src/facility/distributed/engine.c").warnings(true).compile("isthmus_engine");
        println!("cargo::rustc-link-lib=fabric");
    }
}
