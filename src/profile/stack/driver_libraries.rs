/// Libraries that the driver's installer installs, by the beginning of their names. They exist only with the
/// driver, and no environment can contain them.
const OF_THE_DRIVER: [&str; 7] = [
    "libcuda.so",
    "libnvidia-",
    "libnvcuvid.so",
    "libnvoptix.so",
    "libcudadebugger.so",
    "libnvsandboxutils.so",
    "nvcuda.dll",
];

/// Returns whether the NVIDIA driver installs the library or DLL of that name.
#[must_use]
pub fn is_of_the_driver(library: &str) -> bool {
    OF_THE_DRIVER.iter().any(|name| library.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_libraries_do_not_belong_to_the_driver() {
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
