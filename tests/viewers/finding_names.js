// For OHIF's app-config.js: `customizationService: [findingNames]`. OHIF draws a report's numbers and the finding's site,
// not the finding's name; this puts the name first. Seen to work with OHIF 3.13.2.
const findingNames = {
  onBeforeSRAddMeasurement: {
    $set: ({ measurement }) => {
      const named = measurement.labels.map(l => (l.label === '363698007' ? { ...l, label: 'Finding Site' } : l));
      if (!named.some(l => l.label === 'Finding')) {
        named.unshift({ label: 'Finding', value: measurement.TrackingIdentifier });
      }
      measurement.labels = named;
      return measurement;
    },
  },
};
