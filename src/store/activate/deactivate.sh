# Created by matenv. Restores the variables that activation saved.
if [ -n "${_MATENV_SAVED_@ID@+x}" ]; then
  _matenv_store=@STORE@
  for _matenv_name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE; do
    eval "_matenv_set=\${_MATENV_SAVED_@ID@_$_matenv_name+x}"
    if [ -n "$_matenv_set" ]; then
      eval "export $_matenv_name=\"\${_MATENV_SAVED_@ID@_$_matenv_name}\""
      unset "_MATENV_SAVED_@ID@_$_matenv_name"
    else
      unset "$_matenv_name"
    fi
  done
  if [ -n "${_MATENV_SAVED_@ID@_LINK-}" ]; then
    _matenv_path=":${PATH-}:"
    while :; do
      case "$_matenv_path" in
        *":$_matenv_store/bin:"*) ;;
        *) break ;;
      esac
      _matenv_path=${_matenv_path%%":$_matenv_store/bin:"*}:$_MATENV_SAVED_@ID@_LINK/bin:${_matenv_path#*":$_matenv_store/bin:"}
    done
    _matenv_path=${_matenv_path#:}
    export PATH="${_matenv_path%:}"
  fi
  if [ "${CONDA_PREFIX-}" = "$_matenv_store" ] && [ -n "${_MATENV_SAVED_@ID@_PREFIX-}" ]; then
    export CONDA_PREFIX="$_MATENV_SAVED_@ID@_PREFIX"
  fi
  unset _MATENV_SAVED_@ID@ _MATENV_SAVED_@ID@_LINK _MATENV_SAVED_@ID@_PREFIX
  unset _matenv_store _matenv_name _matenv_set _matenv_path
fi
