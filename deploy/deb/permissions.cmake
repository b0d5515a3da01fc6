# Run by cpack between the installation into its own folder and the package. What install() makes on the way follows the umask of who runs
# cpack, whatever permissions are named; the services run as another user and have to get in.
file(CHMOD_RECURSE ${CPACK_TEMPORARY_DIRECTORY}
     DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
