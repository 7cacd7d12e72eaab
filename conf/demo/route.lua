-- Orthanc calls this for every stored instance: radiographs go on to the node, its own results do not.
function OnStoredInstance(instanceId, tags, metadata, origin)
  local fromNode = origin["RequestOrigin"] == "DicomProtocol" and origin["RemoteAet"] == "CENTINELA"
  local radiograph = tags["Modality"] == "CR" or tags["Modality"] == "DX"
  if radiograph and not fromNode then
    SendToModality(instanceId, "centinela")
  end
end
