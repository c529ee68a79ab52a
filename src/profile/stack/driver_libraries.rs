/// What the driver's installer puts on the machine, by the beginning of its name. It's there with the driver, not before, and
/// no environment can bring it.
const OF_THE_DRIVER: [&str; 7] = [
    "libcuda.so",
    "libnvidia-",
    "libnvcuvid.so",
    "libnvoptix.so",
    "libcudadebugger.so",
    "libnvsandboxutils.so",
    "nvcuda.dll",
];

/// Whether NVIDIA's driver brings the library of that soname, or DLL.
#[must_use]
pub fn is_of_the_driver(library: &str) -> bool {
    OF_THE_DRIVER.iter().any(|name| library.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cudas_own_libraries_are_not_the_drivers() {
        for name in ["libcuda.so.1", "libnvidia-ml.so.1", "libnvcuvid.so.1", "nvcuda.dll"] {
            assert!(is_of_the_driver(name), "{name}");
        }
        for name in [
            "libcudart.so.13",
            "libcudnn.so.9",
            "libnvinfer.so.10",
            "cudart64_13.dll",
        ] {
            assert!(!is_of_the_driver(name), "{name}");
        }
    }
}
