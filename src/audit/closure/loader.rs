use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Closure,
    files::{Files, Read},
};
use crate::{
    audit::binaries::folders,
    binary::Dynamic,
    profile::stack::{Library, is_of_the_driver},
};

/// A simulated process that resolves libraries like glibc's loader. See `man 8 ld.so` and `_dl_map_object` in glibc.
pub(super) struct Loader<'a> {
    pub(super) files: &'a Files,
    system: &'a [PathBuf],
    objects: Vec<Object>,
    program: Option<usize>,
    /// Objects by soname and by the name under which they were requested.
    names: HashMap<String, usize>,
    paths: HashMap<PathBuf, usize>,
    driver: BTreeSet<String>,
    missing: BTreeMap<String, Vec<String>>,
    damaged: BTreeMap<PathBuf, String>,
}

struct Object {
    path: PathBuf,
    read: Read,
    /// The object that loaded it. Its `DT_RPATH` applies too.
    loader: Option<usize>,
}

impl Object {
    fn dynamic(&self) -> Option<&Dynamic> {
        self.read.as_ref().as_ref().ok()
    }

    fn folders(&self, listed: &[String]) -> Vec<PathBuf> {
        folders(&self.path, listed)
    }

    /// Returns the folders of its `DT_RPATH`. The loader ignores `DT_RPATH` if there is a `DT_RUNPATH`.
    fn rpath(&self) -> Vec<PathBuf> {
        match self.dynamic() {
            Some(dynamic) if dynamic.runpath.is_none() => self.folders(&dynamic.rpath),
            _ => Vec::new(),
        }
    }
}

impl<'a> Loader<'a> {
    /// Creates an empty process.
    pub(super) fn new(files: &'a Files, system: &'a [PathBuf]) -> Self {
        Self {
            files,
            system,
            objects: Vec::new(),
            program: None,
            names: HashMap::new(),
            paths: HashMap::new(),
            driver: BTreeSet::new(),
            missing: BTreeMap::new(),
            damaged: BTreeMap::new(),
        }
    }

    /// Starts the program. A program that is not ELF (a script that starts Python) adds no folders.
    pub(super) fn start(&mut self, program: &Path) {
        if self.files.dynamic(program).is_some_and(|read| read.is_ok()) {
            self.program = Some(self.objects.len());
            self.load(program.to_owned(), None);
        }
    }

    /// Loads a path like `dlopen`, called by a loaded library or by the program itself. Ignores a missing file.
    pub(super) fn open(&mut self, path: &Path, by: Option<&str>) {
        let by = by.and_then(|soname| self.names.get(soname)).copied();
        self.load(path.to_owned(), by);
    }

    /// Records that `library` is missing.
    pub(super) fn miss(&mut self, library: &str, reason: String) {
        self.missing.entry(library.to_owned()).or_default().push(reason);
    }

    /// Returns whether the library is in a system folder, and loads it from there.
    pub(super) fn in_system(&mut self, library: &Library) -> bool {
        let called = |entry: fs_err::DirEntry| {
            entry
                .file_name()
                .into_string()
                .ok()
                .filter(|name| library.matches(name))
        };
        let names: BTreeSet<String> = self
            .system
            .iter()
            .filter_map(|folder| fs_err::read_dir(folder).ok())
            .flat_map(|entries| entries.flatten().filter_map(called))
            .collect();
        let found = names.iter().find_map(|name| self.in_folders(self.system, name));
        if let Some(path) = &found {
            self.load(path.clone(), None);
        }
        found.is_some()
    }

    /// Returns whether a library with that soname is loaded.
    pub(super) fn is_loaded(&self, soname: &str) -> bool {
        self.names.contains_key(soname)
    }

    /// Returns the result.
    pub(super) fn finish(self, site_packages: &Path) -> Closure {
        // Full paths of every folder would make the message hard to read.
        let inside = format!("{}/", site_packages.display());
        let short = |reasons: Vec<String>| reasons.iter().map(|line| line.replace(&inside, "")).collect();
        let of_environment = |object: &&Object| object.path.starts_with(site_packages);
        let name = |object: &Object| {
            let name = object.path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        Closure {
            libraries: self.objects.iter().filter(of_environment).count(),
            driver: self.driver,
            base: self
                .objects
                .iter()
                .filter(|object| !of_environment(object))
                .map(name)
                .collect(),
            missing: self
                .missing
                .into_iter()
                .map(|(library, reasons)| (library, short(reasons)))
                .collect(),
            damaged: self.damaged,
        }
    }

    /// Loads a file and then everything that it needs, breadth-first.
    fn load(&mut self, path: PathBuf, by: Option<usize>) {
        let mut queue: VecDeque<usize> = self.map(path, by).into_iter().collect();
        while let Some(object) = queue.pop_front() {
            let read = Arc::clone(&self.objects[object].read);
            let needed = read.as_ref().as_ref().map(|dynamic| dynamic.needed.as_slice());
            for name in needed.unwrap_or_default() {
                if self.names.contains_key(name) {
                    continue;
                }
                if is_of_the_driver(name) {
                    self.driver.insert(name.clone());
                } else if let Some(path) = self.find(name, object) {
                    let before = self.objects.len();
                    if let Some(found) = self.map(path, Some(object)) {
                        self.names.insert(name.clone(), found);
                        queue.extend((found == before).then_some(found));
                    }
                } else {
                    let asks = self.objects[object].path.clone();
                    let searched = self.describe_search(object);
                    self.miss(name, format!("{} needs {name}; searched in {searched}", asks.display()));
                }
            }
        }
    }

    /// Adds a file to the process, once.
    fn map(&mut self, path: PathBuf, loader: Option<usize>) -> Option<usize> {
        if let Some(known) = self.paths.get(&path) {
            return Some(*known);
        }
        let read = self.files.dynamic(&path)?;
        let index = self.objects.len();
        let machine = self.machine();
        let why = match read.as_ref() {
            Ok(dynamic) if machine.is_none_or(|machine| dynamic.machine == machine) => None,
            Ok(_) => Some("built for another processor".to_owned()),
            Err(error) => Some(error.clone()),
        };
        let name = match (why, read.as_ref()) {
            (None, Ok(dynamic)) => dynamic.soname.clone(),
            (None, Err(_)) => None,
            (Some(why), _) => {
                self.damaged.insert(path.clone(), why);
                // Report it once, and not again for every library that needs it.
                path.file_name().map(|name| name.to_string_lossy().into_owned())
            }
        };
        if let Some(name) = name {
            self.names.entry(name).or_insert(index);
        }
        self.paths.insert(path.clone(), index);
        self.objects.push(Object { path, read, loader });
        Some(index)
    }

    /// Returns the processor of the first loaded object.
    fn machine(&self) -> Option<u16> {
        let mut read = self.objects.iter().filter_map(Object::dynamic);
        read.next().map(|dynamic| dynamic.machine)
    }

    fn find(&self, name: &str, object: usize) -> Option<PathBuf> {
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(|path| path.is_file());
        }
        self.in_folders(&self.own_folders(object), name)
            .or_else(|| self.in_folders(self.system, name))
    }

    /// Returns the folders that are searched for an object's libraries before the system folders.
    fn own_folders(&self, object: usize) -> Vec<PathBuf> {
        let asking = &self.objects[object];
        if let Some(runpath) = asking.dynamic().and_then(|dynamic| dynamic.runpath.as_ref()) {
            return asking.folders(runpath);
        }
        let mut folders = asking.rpath();
        let mut above = asking.loader;
        while let Some(loader) = above {
            folders.extend(self.objects[loader].rpath());
            above = self.objects[loader].loader;
        }
        // The folders of the program apply to every object.
        folders.extend(
            self.program
                .map(|program| self.objects[program].rpath())
                .unwrap_or_default(),
        );
        folders
    }

    fn describe_search(&self, object: usize) -> String {
        let mut folders: Vec<_> = self.own_folders(object);
        let mut seen = HashSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        let mut names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        names.push("the system folders".to_owned());
        names.join(", ")
    }

    /// Returns the first file with that name. Like the loader, skips files for another processor but not damaged files.
    fn in_folders(&self, folders: &[PathBuf], name: &str) -> Option<PathBuf> {
        let machine = self
            .objects
            .iter()
            .find_map(Object::dynamic)
            .map(|dynamic| dynamic.machine);
        folders.iter().map(|folder| folder.join(name)).find(|path| {
            let Some(read) = self.files.dynamic(path) else {
                return false;
            };
            match read.as_ref() {
                Ok(dynamic) => machine.is_none_or(|machine| dynamic.machine == machine),
                // In a system folder, it is a 32-bit library or a linker script. The loader skips both.
                Err(_) => !self.system.iter().any(|folder| path.starts_with(folder)),
            }
        })
    }
}
